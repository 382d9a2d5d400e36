//! Tokens that came through a macro, made to look as if they had been written in place.

use crate::parse;
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::{BTreeSet, HashMap};
use syn::{Error, GenericArgument, GenericParam, ItemImpl, ItemStruct, PathArguments, Result, Type, parse2};

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

/// `struct Block<const WIDTH: usize>` and `impl<const W: usize> Block<W>` name one dimension twice: the impl's name wins.
pub fn with_names_of(item: &ItemImpl, structure: ItemStruct) -> Result<ItemStruct> {
    let Type::Path(ty) = &*item.self_ty else { return Ok(structure) };
    let mut names = HashMap::new();
    let arguments = match ty.path.segments.last().map(|s| &s.arguments) {
        Some(PathArguments::AngleBracketed(a)) => a.args.iter().collect(),
        _ => vec![],
    };
    if let Some(lifetime) = structure.generics.lifetimes().next() {
        return Err(Error::new_spanned(lifetime, "a model has no lifetimes: its parameters are its own"));
    }
    parse::layer_parameters(&structure.generics)?;
    let parameters = || structure.generics.params.iter();
    if let Some(late) =
        parameters().skip_while(|p| matches!(p, GenericParam::Type(_))).find(|p| matches!(p, GenericParam::Type(_)))
    {
        return Err(Error::new_spanned(
            late,
            "type parameters stand before dimensions: `struct Block<N: Norm, const WIDTH: usize>`",
        ));
    }
    let count = parameters().count();
    if arguments.len() != count {
        let name = &structure.ident;
        let declared = parameters().filter_map(|p| match p {
            GenericParam::Const(p) => Some(format!("const {}: {}", p.ident, p.ty.to_token_stream())),
            GenericParam::Type(p) => Some(parse::expr_text(p)),
            GenericParam::Lifetime(_) => None,
        });
        let declared: Vec<String> = declared.collect();
        let named: Vec<String> = parameters().filter_map(name_of).map(Ident::to_string).collect();
        let (declared, named) = (declared.join(", "), named.join(", "));
        let text = match count {
            0 => format!("`{name}` has no dimensions: write `impl {name}`"),
            _ => format!("an annotated impl names every dimension of its struct: `impl<{declared}> {name}<{named}>`"),
        };
        return Err(Error::new_spanned(&item.self_ty, text));
    }
    for (parameter, argument) in parameters().filter_map(name_of).zip(arguments) {
        match argument {
            GenericArgument::Type(Type::Path(p)) if p.path.get_ident().is_some() => {
                if let Some(name) = p.path.get_ident() {
                    names.insert(parameter.to_string(), name.clone());
                }
            }
            other => {
                return Err(Error::new_spanned(
                    other,
                    "a forward pass is for every dimension: write a const generic here, `impl<const WIDTH: usize> Block<WIDTH>`",
                ));
            }
        }
    }
    parse2(rename(&names, quote!(#structure)))
}

fn name_of(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Const(p) => Some(&p.ident),
        GenericParam::Type(p) => Some(&p.ident),
        GenericParam::Lifetime(_) => None,
    }
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

/// Gives identifiers of these names the hygiene of generated code: they are its variables, and no lint looks at what they are called.
pub fn ours(names: &BTreeSet<String>, tokens: TokenStream) -> TokenStream {
    let one = |token| match token {
        TokenTree::Group(g) => {
            let mut inner = Group::new(g.delimiter(), ours(names, g.stream()));
            inner.set_span(g.span());
            inner.into()
        }
        TokenTree::Ident(i) if names.contains(&i.to_string()) => crate::names::ours(&i).into(),
        other => other,
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
