//! `#[derive(..)]` on a model.

use super::{source, stop};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, ItemStruct, Token};

/// Traits of the standard library that no layer implements.
const REFUSED: [&str; 7] = ["Copy", "Default", "PartialEq", "Eq", "PartialOrd", "Ord", "Hash"];

/// Takes the traits that a model cannot have off a struct, and reports them.
pub fn check(item: &mut ItemStruct) -> TokenStream {
    let above = source::derive_above(Span::call_site());
    if let Some(derive) = above.filter(|derive| derive != "#[derive(Debug)]") {
        let text = format!("`{derive}` does not see what `#[variational]` adds to the struct: put `#[variational]` above it");
        let place = item.ident.span();
        let (error, stop) = (Error::new(place, text).to_compile_error(), stop(place));
        return quote!(#error #stop);
    }
    let mut errors = TokenStream::new();
    let name = item.ident.to_string();
    for attribute in item.attrs.iter_mut().filter(|a| a.path().is_ident("derive")) {
        errors.extend(without_refused(attribute, &name));
    }
    errors
}

fn without_refused(attribute: &mut Attribute, model: &str) -> TokenStream {
    let Ok(traits) = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated) else { return quote!() };
    let is_refused = |path: &syn::Path| path.segments.last().is_some_and(|s| REFUSED.iter().any(|name| s.ident == name));
    let (refused, kept): (Vec<_>, Vec<_>) = traits.into_iter().partition(is_refused);
    if !refused.is_empty() {
        *attribute = syn::parse_quote!(#[derive(#(#kept),*)]);
    }
    let errors = refused.iter().map(|path| {
        let name = crate::syntax::path_text(path);
        let hint = match name.as_str() {
            "Default" => format!("`{model}::new()` makes it"),
            _ => "it can have `Clone` and `Debug`".to_string(),
        };
        Error::new_spanned(path, format!("layers do not implement `{name}`, so a model cannot derive it: {hint}"))
            .to_compile_error()
    });
    quote!(#(#errors)*)
}
