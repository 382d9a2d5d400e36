//! `#[variational]` on a struct.

use super::lookup::{self, look_up, travelling_macro};
use super::{derives, stop};
use crate::{emit, names, parse};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Error, ItemStruct, Path, Result, Token, Visibility, braced, parse2};

/// The struct's fields travel under a name of their own. With a path (`impl super::Block`) rustc prints the name when the struct is
/// not annotated: so the name is the message.
pub fn fields_macro(name: &Ident) -> Ident {
    Ident::new(&format!("struct_{}_lacks_variational", names::plain(name)), name.span())
}

/// The name of a macro that is there if the struct's impl is annotated. Not the struct's own: an import by a glob may have that, too.
pub fn impl_macro(name: &Ident) -> Ident {
    Ident::new(&format!("__impl_of_{}", names::plain(name)), name.span())
}

/// Expands the struct.
pub fn structure(runtime: &Path, mut item: ItemStruct) -> TokenStream {
    let derived = derives::check(&mut item);
    let mut bare = item.clone();
    bare.attrs = parse::silenced(&item.attrs);
    let number = Literal::u64_unsuffixed(lookup::number());
    let definition = travelling_macro(&fields_macro(&item.ident), &Visibility::Inherited, quote!(#number #bare));
    // Errors of the struct are reported once the impl has seen it. Tuple structs are reported here, because they cannot be erased.
    if let syn::Fields::Unnamed(fields) = &item.fields {
        let error = Error::new_spanned(fields, "the fields of a model have names: write `struct Model { up: Linear<..> }`")
            .to_compile_error();
        let stub = emit::erased_structure(&ItemStruct { fields: syn::Fields::Unit, semi_token: None, ..item });
        return quote!(#error #stub #definition);
    }
    let name = &item.ident;
    let layers = item.generics.type_params().next().is_some();
    let check = look_up(
        &[Path::from(impl_macro(name))],
        &parse::silenced_of(&item),
        &quote!(#runtime::__has_impl, {#name} {#runtime} {#layers}),
    );
    let emitted = emit::erased_structure(&item);
    quote!(#emitted #derived #definition #check)
}

/// A struct that is no Rust: its impl is silent.
pub fn unreadable(item: &TokenStream) -> TokenStream {
    let mut tokens = item.clone().into_iter().skip_while(|t| t.to_string() != "struct").skip(1);
    match tokens.next() {
        Some(proc_macro2::TokenTree::Ident(name)) => {
            travelling_macro(&fields_macro(&name), &Visibility::Inherited, quote!(unreadable))
        }
        _ => quote!(),
    }
}

struct HasImpl {
    /// True if the impl's macro has answered.
    answered: bool,
    name: Ident,
    runtime: Path,
    layers: bool,
}

impl Parse for HasImpl {
    fn parse(input: ParseStream) -> Result<Self> {
        let (seen, name, runtime, layers);
        braced!(seen in input);
        let answered = !seen.peek(Token![const]);
        seen.parse::<TokenStream>()?;
        braced!(name in input);
        braced!(runtime in input);
        braced!(layers in input);
        let layers = layers.parse::<syn::LitBool>()?.value;
        Ok(HasImpl { answered, name: name.parse()?, runtime: runtime.parse()?, layers })
    }
}

/// The second round of a struct. The attribute on it cannot see the impl, but the impl's macro.
pub fn has_impl(input: TokenStream) -> TokenStream {
    let HasImpl { answered, name, runtime, layers } = match parse2(input) {
        Ok(parsed) => parsed,
        Err(e) => return e.to_compile_error(),
    };
    if answered {
        return quote!();
    }
    let text = format!("`{name}` has no forward pass that `#[variational]` knows: put the attribute on its impl, too");
    if !lookup::is_annotated(&name) {
        let error = Error::new(name.span(), text).to_compile_error();
        let stop = stop(name.span());
        return quote!(#error #stop);
    }
    // The impl stands in another module, or belongs to another struct of this name: rustc knows.
    if layers {
        return quote!();
    }
    let quiet = names::quiet();
    quote_spanned! {Span::call_site().located_at(name.span())=>
        #quiet
        const _: () = {
            use #runtime::NoModel as _;
            ::core::assert!(#runtime::Probe::<#name>::IS_MODEL, #text);
        };
    }
}
