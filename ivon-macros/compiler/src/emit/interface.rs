//! A trait of layers, and the impl that says that a layer has it: what generated code calls of a layer that it does not know.

use super::checked_dimension;
use super::structure::{argument, layer_arguments};
use crate::names;
use crate::parse::{Conformance, Function, InputKind, Interface, impl_generics};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ItemTrait, Path};

/// The trait as rustc gets it.
pub(crate) fn interface(item: &ItemTrait, interface: &Interface, runtime: &Path) -> TokenStream {
    let ItemTrait { attrs, vis, ident, .. } = item;
    // Without names: a constant of the module may have the same.
    let arguments = interface
        .generics
        .iter()
        .map(|g| if g.flag { quote!(_: ::core::primitive::bool) } else { quote!(_: ::core::primitive::usize) });
    let methods = interface.functions.iter().map(|function| {
        let [evaluate, saving, backward] = signatures(function, &inputs(function), &quote!(Self), runtime);
        let (attributes, lints) = (&function.attributes.all, &function.attributes.lints);
        let saving_docs = format!(" `{}`, keeping what its backward pass reads.", function.name);
        let backward_docs = format!(
            " The backward pass of `{}`: adds gradients to parameters and to the adjoints of its arguments.",
            function.name
        );
        quote! {
            #(#attributes)*
            #evaluate;
            #[doc = #saving_docs]
            #(#lints)*
            #saving;
            #[doc = #backward_docs]
            #(#lints)*
            #backward;
        }
    });
    let differentiable = interface.functions.iter().map(|f| {
        let method = f.name.to_string();
        quote!(+ #runtime::Differentiable<{ #runtime::method(#method) }>)
    });
    let dims: Vec<String> = interface.generics.iter().map(|g| g.name.to_string()).collect();
    let dims = if dims.is_empty() { String::new() } else { format!("<{}>", dims.join(", ")) };
    let message = format!("`{{Self}}` is no `{ident}`");
    let label = format!("`#[variational] impl {ident}{dims} for ..` makes it one");
    let quiet = names::quiet();
    quote! {
        #(#attrs)*
        #quiet
        #[diagnostic::on_unimplemented(message = #message, label = #label)]
        #vis trait #ident: #runtime::Model + ::core::marker::Sized + 'static #(#differentiable)* {
            #[doc(hidden)]
            fn build_in(b: &mut #runtime::Builder, #(#arguments),*) -> #runtime::Result<Self>;
            #(#methods)*
        }
    }
}

/// The impl of a trait. `fits`: whether its signatures are those of the layer; where they are not, which was reported, it is never run.
pub(crate) fn conformance(conformance: &Conformance, functions: &[Function], fits: bool, runtime: &Path) -> TokenStream {
    let Conformance { layers, generics, interface, arguments, layer } = conformance;
    let impl_generics = impl_generics(layers.iter());
    let ty = &layer.ty;
    let parameters = arguments.iter().filter_map(|name| generics.iter().find(|g| g.name == *name)).map(argument);
    let dims = layer_arguments(layer, checked_dimension);
    let ivon: Path = syn::parse_quote!(ivon);
    let methods = functions.iter().map(|f| {
        let inputs: Vec<_> = inputs(f);
        let [evaluate, saving, backward] = signatures(f, &inputs, &quote!(Self), &ivon);
        let names: Vec<_> = f.consts.iter().map(|g| &g.name).chain(inputs.iter().map(|(name, _)| name)).collect();
        let (name, results, adjoints) = (&f.name, results(f), adjoints(f, &inputs));
        let (saving_name, backward_name) = (names::saving(name), names::backward(name));
        if !fits {
            let body = quote!({ ::core::unreachable!("this model did not compile") });
            return quote!(#evaluate #body #saving #body #backward #body);
        }
        quote! {
            #evaluate { <#ty>::#name(self, cx, #(#names),*) }
            #saving { <#ty>::#saving_name(self, cx, #(#names),*) }
            #backward { <#ty>::#backward_name(self, cx, saved, #(#results,)* #(#adjoints),*) }
        }
    });
    let build =
        if fits { quote!(<#ty>::build_in(b, #(#dims),*)) } else { quote!(::core::unreachable!("this model did not compile")) };
    quote! {
        use #runtime as ivon;
        use ivon::names::*;
        #(fn #arguments() {})*
        impl #impl_generics #interface for #ty {
            fn build_in(b: &mut ivon::Builder, #(#parameters),*) -> ivon::Result<Self> {
                #build
            }
            #(#methods)*
        }
    }
}

/// The three functions of a method, without bodies.
fn signatures(function: &Function, inputs: &[(Ident, TokenStream)], owner: &TokenStream, ivon: &Path) -> [TokenStream; 3] {
    let (name, text) = (names::ours(&function.name), function.name.to_string());
    let (saving, backward) = (names::saving(&name), names::backward(&name));
    let consts: Vec<_> = function.consts.iter().map(|g| &g.name).collect();
    let inputs_of = inputs.iter().map(|(name, ty)| {
        let reference = ty.is_empty().then(|| quote!(&#ivon::Tensor));
        quote!(#name: #reference #ty)
    });
    let arguments = quote!(&self, cx: &#ivon::Context, #(#consts: usize,)* #(#inputs_of),*);
    let outputs = function.outputs.iter().map(|_| quote!(#ivon::Tensor));
    let output = if function.returns_tuple { quote!((#(#outputs),*)) } else { quote!(#ivon::Tensor) };
    let saved = quote!(#ivon::Saved<#owner, { #ivon::method(#text) }>);
    let (results, adjoints) = (results(function), adjoints(function, inputs));
    [
        quote!(fn #name(#arguments) -> #ivon::Result<#output>),
        quote!(fn #saving(#arguments) -> #ivon::Result<(#output, #saved)>),
        quote! {
            fn #backward(
                &self, cx: &#ivon::Context, saved: #saved, #(#results: #ivon::Tensor,)* #(#adjoints: &mut #ivon::Adjoint),*
            ) -> #ivon::Result<()>
        },
    ]
}

/// Names of the arguments, and the types of those that are numbers.
fn inputs(function: &Function) -> Vec<(Ident, TokenStream)> {
    let one = |i: &crate::parse::Input| {
        let ty = match &i.kind {
            InputKind::Number(ty) => quote!(#ty),
            _ => quote!(),
        };
        (names::argument(&i.name), ty)
    };
    function.inputs.iter().map(one).collect()
}

/// Names of the adjoints of the results.
fn results(function: &Function) -> Vec<Ident> {
    match function.outputs.len() {
        1 => vec![names::ident("d_output")],
        several => (0..several).map(|i| names::ident(&format!("d_output_{i}"))).collect(),
    }
}

/// Names of the adjoints of the arguments that have one.
fn adjoints(function: &Function, inputs: &[(Ident, TokenStream)]) -> Vec<Ident> {
    let tensors = function.inputs.iter().zip(inputs).filter(|(i, _)| matches!(i.kind, InputKind::Tensor { .. }));
    tensors.map(|(_, (name, _))| names::ident(&names::adjoint(&name.to_string()))).collect()
}
