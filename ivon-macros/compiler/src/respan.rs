//! Tokens that came through a macro, made to look as if they had been written in place.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use std::collections::HashMap;

/// Gives tokens the marks of a token that the user wrote, at the same places. Tokens from a `macro_rules!` body carry the mark of its
/// expansion, and rustc would add "in this macro expansion" to each error.
pub fn as_if_written_in(home: Span, tokens: TokenStream) -> TokenStream {
    let one = |mut token: TokenTree| {
        if let TokenTree::Group(g) = &token {
            let mut inner = Group::new(g.delimiter(), as_if_written_in(home, g.stream()));
            inner.set_span(home.located_at(g.span()));
            return inner.into();
        }
        token.set_span(home.located_at(token.span()));
        token
    };
    tokens.into_iter().map(one).collect()
}

/// All tokens at one place.
pub fn at(place: Span, tokens: TokenStream) -> TokenStream {
    let one = |mut token: TokenTree| {
        if let TokenTree::Group(g) = &token {
            token = Group::new(g.delimiter(), at(place, g.stream())).into();
        }
        token.set_span(place);
        token
    };
    tokens.into_iter().map(one).collect()
}

/// Renames identifiers. If a `macro_rules!` wrote the model, the names also get the impl's hygiene: they are variables of generated code.
pub fn rename(names: &HashMap<String, Ident>, tokens: TokenStream) -> TokenStream {
    let one = |token: TokenTree| match token {
        TokenTree::Group(g) => {
            let mut inner = Group::new(g.delimiter(), rename(names, g.stream()));
            inner.set_span(g.span());
            inner.into()
        }
        TokenTree::Ident(i) => match names.get(&i.to_string()) {
            Some(name) => Ident::new(&name.to_string(), name.span().located_at(i.span())).into(),
            None => i.into(),
        },
        other => other,
    };
    tokens.into_iter().map(one).collect()
}
