//! A bound on nesting: the passes walk expressions recursively, and the stack of a compiler thread ends.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Error, Result};

/// Groups within groups.
const NESTING: usize = 64;
/// Tokens without a `;`, a `,` or a block between them: a chain of operators or of method calls is a tree as deep.
const CHAIN: usize = 512;

/// Refuses code that nests deeper than hand-written code does.
///
/// # Errors
/// With the place where it gets too deep.
pub fn bounded(tokens: &TokenStream) -> Result<()> {
    let mut waiting: Vec<(TokenStream, usize)> = vec![(tokens.clone(), 0)];
    while let Some((tokens, depth)) = waiting.pop() {
        let (mut chain, mut hash) = (0, false);
        for token in tokens {
            let breaks = match &token {
                TokenTree::Punct(p) => matches!(p.as_char(), ';' | ','),
                TokenTree::Group(g) => g.delimiter() == Delimiter::Brace || hash && g.delimiter() == Delimiter::Bracket,
                _ => false,
            };
            chain = if breaks { 0 } else { chain + 1 };
            hash = matches!(&token, TokenTree::Punct(p) if p.as_char() == '#');
            if chain > CHAIN {
                let text = format!("this expression has more than {CHAIN} tokens: name its parts with `let`");
                return Err(Error::new(token.span(), text));
            }
            if let TokenTree::Group(group) = &token {
                nest(group, depth, &mut waiting)?;
            }
        }
    }
    Ok(())
}

fn nest(group: &Group, depth: usize, waiting: &mut Vec<(TokenStream, usize)>) -> Result<()> {
    if depth == NESTING {
        let text = format!("this nests deeper than {NESTING} levels: name its parts with `let`");
        return Err(Error::new(group.span_open(), text));
    }
    waiting.push((group.stream(), depth + 1));
    Ok(())
}
