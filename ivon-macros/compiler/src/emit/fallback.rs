//! The code that rustc gets for a model that does not compile.

use super::structure::{argument, constants, own_parameters};
use crate::names;
use crate::parse::Model;
use crate::syntax::last;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::BTreeSet;
use syn::{ImplItem, ItemImpl, Path, ReturnType, Type};

/// Returns the same functions without bodies. rustc gets them beside the errors, so that nothing else fails.
pub fn fallback(model: &Model, item: &ItemImpl, runtime: &Path) -> TokenStream {
    let name = &model.name;
    let (impl_generics, ty) = (model.impl_generics(), model.ty());
    let arguments: Vec<_> = model.generics.iter().map(argument).collect();
    let constants = constants(model, item);
    let own_parameters = own_parameters(model);
    let (mut saved, mut methods) = (quote!(), quote!());
    let functions: Vec<_> = item.items.iter().filter_map(|i| if let ImplItem::Fn(f) = i { Some(f) } else { None }).collect();
    // Names that are taken were reported.
    let mut taken: BTreeSet<String> = ["new", "build", "build_in"].map(String::from).into();
    let made = |method: &Ident| [names::saving(method), names::backward(method), names::gradient(method)].map(|n| n.to_string());
    taken.extend(functions.iter().flat_map(|f| made(&f.sig.ident)));
    for f in functions {
        let (vis, method) = (&f.vis, &f.sig.ident);
        if !taken.insert(method.to_string()) {
            continue;
        }
        let inputs: Vec<_> = f
            .sig
            .inputs
            .iter()
            .filter_map(|i| match i {
                syn::FnArg::Typed(t) => Some(match &*t.ty {
                    Type::Path(p) if ["f64", "usize", "bool"].iter().any(|n| p.path.is_ident(n)) => (quote!(#p), false),
                    Type::Path(p) if last(&p.path) == "Tensor" => (quote!(&ivon::Tensor), true),
                    _ => (quote!(&ivon::Tensor), false),
                }),
                syn::FnArg::Receiver(_) => None,
            })
            .collect();
        let types = inputs.iter().map(|(t, _)| t);
        let types: Vec<_> = types.collect();
        let adjoints = inputs.iter().filter(|(_, tensor)| *tensor).map(|_| quote!(_: &mut ivon::Adjoint));
        let outputs = match &f.sig.output {
            ReturnType::Type(_, ty) => match &**ty {
                Type::Tuple(t) => t.elems.len(),
                _ => 1,
            },
            ReturnType::Default => 1,
        };
        let tensor = quote!(ivon::Tensor);
        let output = if outputs == 1 {
            tensor.clone()
        } else {
            let each = vec![tensor; outputs];
            quote!((#(#each),*))
        };
        let d_outputs = (0..outputs).map(|_| quote!(_: ivon::Tensor));
        let (saving, backward, gradient) = (names::saving(method), names::backward(method), names::gradient(method));
        let text = "this model did not compile";
        let method_text = method.to_string();
        saved.extend(quote! {
            impl #impl_generics ivon::Differentiable<{ ivon::method(#method_text) }> for #ty { type Saved = (); }
        });
        methods.extend(quote! {
            #vis fn #method(&self, _: &ivon::Context, #(_: #types),*) -> ivon::Result<#output> { ::core::unreachable!(#text) }
            #vis fn #saving(&self, _: &ivon::Context, #(_: #types),*) -> ivon::Result<(#output, ())> { ::core::unreachable!(#text) }
            #vis fn #backward(&self, _: &ivon::Context, _: (), #(#d_outputs,)* #(#adjoints),*) -> ivon::Result<()> { ::core::unreachable!(#text) }
            #vis fn #gradient(&self, _: &ivon::Context, #(_: #types),*) -> ivon::Result<f64> { ::core::unreachable!(#text) }
        });
    }
    let generics = &item.generics;
    let face = &item.self_ty;
    let text = names::plain(name);
    quote! {
        use #runtime as ivon;
        use ivon::names::*;
        impl #impl_generics #ty {
            #constants
            #own_parameters
            pub fn build(#(#arguments),*) -> ivon::Result<Self> { ::core::unreachable!("this model did not compile") }
            #[doc(hidden)]
            pub fn build_in(b: &mut ivon::Builder, #(#arguments),*) -> ivon::Result<Self> { ::core::unreachable!("this model did not compile") }
            #[doc(hidden)]
            pub const fn __check(#(#arguments),*) {}
            #methods
        }
        #saved
        impl #generics #face {
            pub fn new() -> #ty { ::core::unreachable!("this model did not compile") }
        }
        impl #impl_generics ivon::Model for #ty {
            const NAME: &'static str = #text;
            fn visit_parameters<'a>(&'a self, _: &mut dyn ::core::ops::FnMut(&'a ivon::Parameter)) {}
        }
    }
}
