//! Generated code as text: formatted, with its comments.

use proc_macro2::{Group, TokenStream, TokenTree};

const COMMENT: &str = "__comment";

/// Takes comments out: what rustc gets.
pub fn without_comments(tokens: TokenStream) -> TokenStream {
    replace_comments(tokens, &mut |_| TokenStream::new())
}

/// Replaces each `__comment!("..");`, given what stands in its parentheses.
fn replace_comments(tokens: TokenStream, by: &mut dyn FnMut(TokenStream) -> TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(i) if i == COMMENT => {
                // `! ( .. ) ;` follow.
                for token in tokens.by_ref().take(3) {
                    if let TokenTree::Group(text) = token {
                        out.extend(by(text.stream()));
                    }
                }
            }
            TokenTree::Group(g) => {
                let mut inner = Group::new(g.delimiter(), replace_comments(g.stream(), by));
                inner.set_span(g.span());
                out.extend([TokenTree::from(inner)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

/// Formats items as rustfmt would and turns comments into `// ..`.
#[cfg(feature = "expand")]
pub fn format(tokens: TokenStream) -> String {
    use proc_macro2::Literal;
    use quote::quote;
    // A number in place of each comment, so that it stays on one line.
    let mut comments: Vec<String> = vec![];
    let numbered = replace_comments(tokens.clone(), &mut |text| {
        comments.push(syn::parse2::<syn::LitStr>(text.clone()).map_or(text.to_string(), |l| l.value()));
        let number = Literal::usize_unsuffixed(comments.len() - 1);
        quote!(__comment!(#number);)
    });
    let file = match syn::parse2::<syn::File>(numbered) {
        Ok(file) => file,
        // Never seen; unformatted code is better than none.
        Err(_) => return tokens.to_string(),
    };
    let mut text = String::new();
    for line in prettyplease::unparse(&file).lines() {
        let number =
            line.trim_start().strip_prefix("__comment!(").and_then(|rest| rest.strip_suffix(");")?.parse::<usize>().ok());
        match number.and_then(|n| comments.get(n)) {
            Some(comment) => {
                let indent = &line[..line.len() - line.trim_start().len()];
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
