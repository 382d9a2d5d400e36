//! Generated code as text: formatted, with its comments.

use proc_macro2::{TokenStream, TokenTree};

const COMMENT: &str = "__comment";

/// Takes comments out: what rustc gets.
pub fn without_comments(tokens: TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = vec![];
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // `__comment ! ( .. ) ;`
            TokenTree::Ident(i) if i == COMMENT => {
                tokens.by_ref().take(3).for_each(drop);
            }
            TokenTree::Group(g) => {
                let mut inner = proc_macro2::Group::new(g.delimiter(), without_comments(g.stream()));
                inner.set_span(g.span());
                out.push(inner.into());
            }
            other => out.push(other),
        }
    }
    out.into_iter().collect()
}

/// Formats items as rustfmt would and turns comments into `// ..`.
pub fn format(tokens: TokenStream) -> String {
    let file = match syn::parse2::<syn::File>(tokens.clone()) {
        Ok(file) => file,
        // Never seen; unformatted code is better than none.
        Err(_) => return tokens.to_string(),
    };
    let mut text = String::new();
    for line in prettyplease::unparse(&file).lines() {
        match line.trim_start().strip_prefix("__comment!(") {
            Some(rest) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let literal = rest.trim_end_matches(';').trim_end_matches(')');
                let comment = syn::parse_str::<syn::LitStr>(literal).map_or(literal.to_string(), |l| l.value());
                text += &format!("{indent}// {comment}\n");
            }
            None => {
                text += line;
                text.push('\n');
            }
        }
    }
    text
}
