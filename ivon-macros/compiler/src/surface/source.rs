//! The source around an attribute, as text: an attribute sees its own item alone.

use crate::syntax::last;
use proc_macro2::Span;
use quote::ToTokens;
use std::path::Path;
use syn::{Attribute, Item, ItemImpl, Type};

/// The `#[derive(..)]` that stands above an attribute. rustc expands it first and hides it from the attribute.
pub fn derive_above(attribute: Span) -> Option<String> {
    let (source, start) = (read(attribute)?, attribute.start());
    let lines: Vec<&str> = source.lines().collect();
    let before = lines.get(start.line.checked_sub(1)?)?.get(..start.column).unwrap_or_default();
    let above = lines[..start.line - 1].iter().copied().chain([before]);
    let text: Vec<&str> = above.filter(|l| !l.trim_start().starts_with("//")).collect();
    last_derive(&text.join("\n"))
}

/// True if another annotated impl of the same type stands above this one, in the same module.
pub fn has_impl_above(item: &ItemImpl) -> bool {
    let file = read(item.impl_token.span).and_then(|source| syn::parse_file(&source).ok());
    file.is_some_and(|file| is_second_in(&file.items, item))
}

/// True if the struct of an impl has fields with dimensions in braces, `Linear<WIDTH, { 4 * WIDTH }>`.
pub fn computes_dimensions(item: &ItemImpl) -> bool {
    fn find(items: &[Item], name: &syn::Ident) -> bool {
        items.iter().any(|item| match item {
            Item::Struct(s) if s.ident == *name => s.fields.iter().any(|f| f.ty.to_token_stream().to_string().contains('{')),
            Item::Mod(m) => m.content.as_ref().is_some_and(|(_, items)| find(items, name)),
            _ => false,
        })
    }
    let Type::Path(ty) = &*item.self_ty else { return false };
    let file = read(item.impl_token.span).and_then(|source| syn::parse_file(&source).ok());
    file.is_some_and(|file| find(&file.items, last(&ty.path)))
}

fn read(place: Span) -> Option<String> {
    std::fs::read_to_string::<&Path>(&place.local_file()?).ok()
}

/// Tokens of a text have no places inside of rustc: the impl is found by what it says.
fn is_second_in(items: &[Item], item: &ItemImpl) -> bool {
    let text = |i: &ItemImpl| ItemImpl { attrs: vec![], ..i.clone() }.into_token_stream().to_string();
    let model = |i: &ItemImpl| match &*i.self_ty {
        Type::Path(ty) if i.trait_.is_none() => Some(last(&ty.path).clone()),
        _ => None,
    };
    let (wanted, name) = (text(item), model(item));
    let annotated = items.iter().filter_map(|item| match item {
        Item::Impl(i) if i.attrs.iter().any(is_variational) && model(i) == name => Some(i),
        _ => None,
    });
    annotated.skip(1).any(|i| text(i) == wanted)
        || items.iter().any(|other| match other {
            Item::Mod(m) => m.content.as_ref().is_some_and(|(_, items)| is_second_in(items, item)),
            _ => false,
        })
}

/// True for `#[variational]`, by whatever path.
pub fn is_variational(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|s| s.ident == "variational")
}

/// The derive among the attributes at the end of a text.
fn last_derive(text: &str) -> Option<String> {
    let mut rest = text.trim_end();
    while rest.ends_with(']') {
        let start = rest.rfind("#[")?;
        let attribute: String = rest[start..].split_whitespace().collect::<Vec<_>>().join(" ");
        if attribute.starts_with("#[derive(") {
            return Some(attribute);
        }
        rest = rest[..start].trim_end();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_at_the_end_of_a_text_are_found() {
        let found = |text: &str| last_derive(text);
        assert_eq!(found("struct A;\n#[derive(Clone)]\n#[allow(unused)]\n"), Some("#[derive(Clone)]".into()));
        assert_eq!(found("#[derive(\n    Clone,\n    Debug\n)]"), Some("#[derive( Clone, Debug )]".into()));
        assert_eq!(found("#[derive(Clone)]\nstruct A { x: [f32; 4] }\n"), None);
        assert_eq!(found("const A: [u8; 1] = [0];\n#[allow(unused)]"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_second_impl_in_one_module_is_found() {
        let file = syn::parse_file(
            "#[variational] impl Net { fn a() {} }
             mod b {
                 #[variational] impl Net { fn b() {} }
                 impl Net { fn c() {} }
                 #[ivon_runtime::variational] impl Net { fn d() {} }
             }",
        );
        let file = file.unwrap();
        let second = |text: &str| is_second_in(&file.items, &syn::parse_str(text).unwrap());
        assert!(second("impl Net { fn d() {} }"));
        for text in ["impl Net { fn a() {} }", "impl Net { fn b() {} }", "impl Other { fn d() {} }"] {
            assert!(!second(text), "{text}");
        }
    }
}
