//! The dimensions of a struct, by the names that its impl gives them.

use crate::parse;
use crate::respan::rename;
use crate::syntax::{expr_text, last};
use proc_macro2::Ident;
use quote::{ToTokens, quote};
use std::collections::HashMap;
use syn::{Error, GenericArgument, GenericParam, ItemImpl, ItemStruct, PathArguments, Result, Type, parse2};

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
            GenericParam::Type(p) => Some(expr_text(p)),
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
            GenericArgument::Type(Type::Path(p)) if p.path.get_ident().is_some_and(|name| !declares(&item.generics, name)) => {
                let (name, model) = (last(&p.path), &structure.ident);
                let text = format!(
                    "`{name}` is not declared, and a forward pass is for every dimension: `impl<const {name}: usize, ..> {model}<{name}, ..>`"
                );
                return Err(Error::new_spanned(argument, text));
            }
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

fn declares(generics: &syn::Generics, name: &Ident) -> bool {
    generics.params.iter().filter_map(name_of).any(|declared| declared == name)
}

fn name_of(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Const(p) => Some(&p.ident),
        GenericParam::Type(p) => Some(&p.ident),
        GenericParam::Lifetime(_) => None,
    }
}
