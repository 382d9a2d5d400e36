//! How a model is built, and how its parameters, buffers and settings are visited.

use super::{checked_dimension, dimension};
use crate::check::Deferred;
use crate::names;
use crate::parse::{self, Field, FieldKind, Generic, LayerType, Model};
use crate::syntax::bare;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use std::collections::BTreeSet;
use syn::{Expr, ImplItem, ItemImpl, Path};

/// `build`, `build_in`, the const-generic face, the divisibility checks and `Model`, with its `graph`.
pub(super) fn emit(model: &Model, item: &ItemImpl, deferred: &Deferred, graph: &TokenStream) -> TokenStream {
    let name = &model.name;
    let (impl_generics, ty, lints) = (model.impl_generics(), model.ty(), &model.lints);
    let arguments: Vec<_> = model.generics.iter().map(argument).collect();
    let names: Vec<_> = model.generics.iter().map(|g| &g.name).collect();
    let fields = model.fields.iter().map(build_field);
    let dims = model.generics.iter().map(|g| {
        let name = &g.name;
        if g.flag { quote!(#name as usize) } else { quote!(#name) }
    });
    let Checks { in_build, in_const, nested, concrete } = checks(model, deferred);
    let constants = constants(model, item);
    let own_parameters = own_parameters(model);
    let outer_parts = model.fields.iter().flat_map(|f| parts(f, false));
    let inner_parts = model.fields.iter().flat_map(|f| parts(f, true));
    let visits = model.fields.iter().map(visit_field);
    let visit_buffers = visit_buffers(model);
    let visit_settings = model.fields.iter().map(visit_settings_of);
    let generics = &item.generics;
    let face = &item.self_ty;
    let text = names::plain(name);
    let docs = match names.len() {
        0 => format!(" A whole `{name}`."),
        _ => format!(
            " A whole `{name}` of these dimensions. `{name}::<..>::new()` does the same for dimensions known at compile time."
        ),
    };
    let (new_attributes, refused) = new_of(model);
    quote! {
        #(#lints)*
        impl #impl_generics #ty {
            #constants
            #own_parameters
            #[doc = #docs]
            pub fn build(#(#arguments),*) -> ivon::Result<Self> {
                Self::build_in(&mut ivon::Builder::new(), #(#names),*)
            }
            #[doc(hidden)]
            pub fn build_in(b: &mut ivon::Builder, #(#arguments),*) -> ivon::Result<Self> {
                #(#in_build)*
                Ok(Self { #(#fields,)* __dims_set_by_new: [#(#dims),*] })
            }
            #[doc(hidden)]
            pub const fn __check(#(#arguments),*) {
                #(#in_const)*
                #(#nested)*
                #(#inner_parts)*
            }
        }
        #(#concrete)*
        #(#outer_parts)*
        #(#lints)*
        impl #generics #face {
            #new_attributes
            pub fn new() -> #ty {
                const { <#ty>::__check(#(#names),*) };
                match <#ty>::build(#(#names),*) {
                    Ok(model) => model,
                    Err(error) => #refused,
                }
            }
        }
        #(#lints)*
        impl #impl_generics ivon::Model for #ty {
            const NAME: &'static str = #text;
            fn visit_parameters<'a>(&'a self, visit: &mut dyn ::core::ops::FnMut(&'a ivon::Parameter)) {
                #(#visits)*
            }
            #graph
            #visit_buffers
            fn visit_settings(&self, visit: &mut dyn ::core::ops::FnMut(u64)) {
                self.__dims_set_by_new.iter().for_each(|dim| visit(*dim as u64));
                #(#visit_settings)*
            }
        }
    }
}

/// Whether dimensions fit: in which function it is evaluated.
struct Checks {
    /// In `build_in`, as errors.
    in_build: Vec<TokenStream>,
    /// In `__check`, while rustc compiles.
    in_const: Vec<TokenStream>,
    /// The same of the layers.
    nested: Vec<TokenStream>,
    /// Wherever the model is compiled, used or not.
    concrete: Vec<TokenStream>,
}

fn checks(model: &Model, deferred: &Deferred) -> Checks {
    let divisions: Vec<(String, String)> = deferred
        .divisions
        .iter()
        .filter(|d| knows(model, d))
        .map(|d| (d.numerator.to_string(), d.denominator.to_string()))
        .collect();
    let parsed: Vec<(Expr, Expr)> =
        divisions.iter().filter_map(|(n, d)| Some((syn::parse_str(n).ok()?, syn::parse_str(d).ok()?))).collect();
    let in_build = divisions.iter().zip(&parsed).map(|((n_text, d_text), (n, d))| {
        let (model, n, d) = (model.name.to_string(), checked_dimension(n), checked_dimension(d));
        quote!(ivon::divides(#model, #n_text, #n, #d_text, #d)?;)
    });
    let in_const = divisions.iter().zip(&parsed).map(|((n_text, d_text), (n, d))| {
        let text = format!("`{}`: {n_text} must be a multiple of {d_text}", model.name);
        quote!(::core::assert!(#d != 0 && (#n) % (#d) == 0, #text);)
    });
    let nested = model.fields.iter().filter_map(|f| match &f.kind {
        // A type parameter cannot be checked: const functions of traits are not stable.
        FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. } if layer.path == layer.signature => {
            let (ty, arguments) = (&layer.ty, layer_arguments(layer, dimension));
            let check = quote!(<#ty>::__check(#(#arguments),*););
            Some(match &f.when {
                Some(when) => quote!(if #when { #check }),
                None => check,
            })
        }
        _ => None,
    });
    // A layer of numbers alone is checked wherever the model is compiled, used or not.
    let concrete = model.fields.iter().filter_map(|f| match &f.kind {
        FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. }
            if f.when.is_none() && !layer.open && !layer.arguments.is_empty() && layer.arguments.iter().all(is_number) =>
        {
            let (ty, arguments) = (&layer.ty, layer_arguments(layer, dimension));
            Some(quote_spanned!(layer.place.first()=> const _: () = <#ty>::__check(#(#arguments),*);))
        }
        _ => None,
    });
    Checks { in_build: in_build.collect(), in_const: in_const.collect(), nested: nested.collect(), concrete: concrete.collect() }
}

/// The attributes of `new`, and what it does with an error of `build`.
fn new_of(model: &Model) -> (TokenStream, TokenStream) {
    let name = &model.name;
    // `__check` has evaluated the conditions of all layers that are known.
    let chosen = model.fields.iter().any(|f| match &f.kind {
        FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. } => layer.chosen > 0 || layer.path != layer.signature,
        _ => false,
    });
    match chosen {
        false => (
            quote!(#[doc = " A whole model; dimensions that do not fit do not compile."]),
            quote!(::core::unreachable!("{error}")),
        ),
        true => {
            let docs = " A whole model; dimensions that do not fit do not compile.\n\n# Panics\nWhere they do not fit a layer that stands for a type parameter; `build` gives an error then.";
            let message =
                format!("`{name}::new`: {{error}}; choose dimensions that fit, or use `{name}::build`, which gives an error");
            (quote!(#[doc = #docs] #[track_caller]), quote!(::core::panic!(#message)))
        }
    }
}

/// Only divisions among const generics and constants can be checked when the model is built.
fn knows(model: &Model, division: &crate::dims::Division) -> bool {
    division.numerator.names().chain(division.denominator.names()).all(|n| {
        let symbolic = model.functions.iter().any(|f| f.variables.iter().any(|v| v.name == n));
        !symbolic && !n.contains(['(', '/', '<'])
    })
}

pub(super) fn argument(generic: &Generic) -> TokenStream {
    let name = &generic.name;
    if generic.flag { quote!(#name: bool) } else { quote!(#name: usize) }
}

/// The dimensions of a layer; those that are left out have a default.
pub(super) fn layer_arguments(layer: &LayerType, dimension: fn(&Expr) -> TokenStream) -> Vec<TokenStream> {
    layer
        .arguments
        .iter()
        .map(dimension)
        .chain(layer.defaults.iter().map(|name| {
            let (ty, constant) = (&layer.ty, names::default_of(name));
            quote!(<#ty>::#constant)
        }))
        .collect()
}

fn is_number(argument: &Expr) -> bool {
    matches!(bare(argument), Expr::Lit(_))
}

fn build_field(field: &Field) -> TokenStream {
    let (name, text) = (&field.name, names::plain(&field.name));
    let options = options(field);
    match &field.kind {
        FieldKind::Parameter { dims, when, .. } => {
            let dims = dims.iter().map(checked_dimension);
            let parameter = quote!(b.parameter(#text, [#(#dims),*], #options));
            match when {
                None => quote!(#name: #parameter),
                Some(when) => quote!(#name: if #when { Some(#parameter) } else { None }),
            }
        }
        FieldKind::Buffer { dims, init, .. } => {
            let dims = dims.iter().map(checked_dimension);
            let init = match init {
                Some(init) => parse::init_tokens(init, &syn::parse_quote!(ivon)),
                None => quote!(ivon::Init::zeros()),
            };
            quote!(#name: b.buffer(#text, [#(#dims),*], #init))
        }
        FieldKind::Layer(layer) => {
            let (ty, arguments) = (&layer.ty, layer_arguments(layer, checked_dimension));
            let built = quote!(b.layer(#text, #options, |b| <#ty>::build_in(b, #(#arguments),*))?);
            match &field.when {
                None => quote!(#name: #built),
                Some(when) => quote!(#name: if #when { Some(#built) } else { None }),
            }
        }
        FieldKind::Array { of, count } => {
            let (ty, arguments, count) = (&of.ty, layer_arguments(of, checked_dimension), checked_dimension(count));
            quote!(#name: b.layers(#text, #count, #options, |b| <#ty>::build_in(b, #(#arguments),*))?)
        }
        FieldKind::Setting { default, .. } => quote!(#name: #default),
    }
}

/// Returns the options of `#[parameter(..)]` as `ivon::Options`, or as `ivon::LayerOptions` if it has options for single parameters of a layer.
fn options(field: &Field) -> TokenStream {
    let all = plain_options(&field.options);
    if field.options.of.is_empty() {
        return all;
    }
    let of = field.options.of.iter().map(|(name, options)| {
        let (name, options) = (names::plain(name), plain_options(options));
        quote!((#name, #options))
    });
    quote!(ivon::LayerOptions { all: #all, of: &[#(#of),*] })
}

fn plain_options(options: &parse::Options) -> TokenStream {
    let parse::Options { init, weight_decay, frozen, of: _ } = options;
    if init.is_none() && weight_decay.is_none() && !frozen {
        return quote!(ivon::Options::default());
    }
    let ivon: Path = syn::parse_quote!(ivon);
    let init = init.iter().map(|i| {
        let i = parse::init_tokens(i, &ivon);
        quote!(init: Some(#i),)
    });
    let decay = weight_decay.iter().map(|d| quote!(weight_decay: Some(#d),));
    let frozen = frozen.then(|| quote!(frozen: Some(true),));
    quote!(ivon::Options { #(#init)* #(#decay)* #frozen ..ivon::Options::default() })
}

/// The names of a model's own parameters, which `#[parameter(gain.init = zeros)]` on a field of its type may speak of.
pub(super) fn own_parameters(model: &Model) -> TokenStream {
    let names = model.fields.iter().filter(|f| matches!(f.kind, FieldKind::Parameter { .. })).map(|f| names::plain(&f.name));
    quote!(#[doc(hidden)] pub const __PARAMETERS: &'static [&'static str] = &[#(#names),*];)
}

/// That a layer has the parameters that an attribute speaks of; the compiler cannot see its fields, rustc can. Where the layer depends on
/// type parameters, rustc sees it when the model is built (`inside` of `__check`).
fn parts(field: &Field, inside: bool) -> Vec<TokenStream> {
    let (FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. }) = &field.kind else { return vec![] };
    if layer.open != inside {
        return vec![];
    }
    let ty = &layer.ty;
    let one = |(part, _): &(Ident, parse::Options)| {
        let (name, text) = (names::plain(part), format!("`{}` has no parameter `{part}` of its own", layer.text()));
        let check = quote_spanned!(part.span()=> ::core::assert!(ivon::contains(<#ty>::__PARAMETERS, #name), #text));
        if inside { quote!(#check;) } else { quote_spanned!(part.span()=> const _: () = #check;) }
    };
    field.options.of.iter().map(one).collect()
}

fn visit_field(field: &Field) -> TokenStream {
    let name = &field.name;
    match &field.kind {
        FieldKind::Parameter { when: None, .. } => quote!(visit(&self.#name);),
        FieldKind::Parameter { when: Some(_), .. } => quote!(self.#name.iter().for_each(&mut *visit);),
        FieldKind::Layer(_) if field.when.is_some() => {
            quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_parameters(layer, visit));)
        }
        FieldKind::Layer(_) => quote!(ivon::Model::visit_parameters(&self.#name, visit);),
        FieldKind::Array { .. } => quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_parameters(layer, visit));),
        FieldKind::Buffer { .. } | FieldKind::Setting { .. } => quote!(),
    }
}

/// A setting as a number, or those of a layer.
fn visit_settings_of(field: &Field) -> TokenStream {
    let name = &field.name;
    match &field.kind {
        FieldKind::Setting { ty, .. } if ty == "f64" => quote!(visit(self.#name.to_bits());),
        FieldKind::Setting { .. } => quote!(visit(self.#name as u64);),
        FieldKind::Layer(_) if field.when.is_some() => {
            quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_settings(layer, visit));)
        }
        FieldKind::Layer(_) => quote!(ivon::Model::visit_settings(&self.#name, visit);),
        FieldKind::Array { .. } => quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_settings(layer, visit));),
        FieldKind::Parameter { .. } | FieldKind::Buffer { .. } => quote!(),
    }
}

/// Returns the method `visit_buffers` of a model that may have buffers, its own or its layers'; nothing for other models.
fn visit_buffers(model: &Model) -> TokenStream {
    let visits: Vec<TokenStream> = model.fields.iter().filter_map(visit_buffers_of).collect();
    match visits.is_empty() {
        true => quote!(),
        false => quote!(fn visit_buffers<'a>(&'a self, visit: &mut dyn ::core::ops::FnMut(&'a ivon::Buffer)) { #(#visits)* }),
    }
}

fn visit_buffers_of(field: &Field) -> Option<TokenStream> {
    let name = &field.name;
    match &field.kind {
        FieldKind::Buffer { .. } => Some(quote!(visit(&self.#name);)),
        FieldKind::Layer(_) if field.when.is_some() => {
            Some(quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_buffers(layer, visit));))
        }
        FieldKind::Layer(_) => Some(quote!(ivon::Model::visit_buffers(&self.#name, visit);)),
        FieldKind::Array { .. } => Some(quote!(self.#name.iter().for_each(|layer| ivon::Model::visit_buffers(layer, visit));)),
        FieldKind::Parameter { .. } | FieldKind::Setting { .. } => None,
    }
}

/// Returns the constants of a model that callers read at compile time: `<Model>::K` for constants of the module that signatures mention, and
/// the defaults of const generics.
pub(super) fn constants(model: &Model, item: &ItemImpl) -> TokenStream {
    let defaults = model.generics.iter().filter_map(|g| {
        let default = g.default.as_ref()?;
        let (constant, ty) = (names::default_of(&g.name), if g.flag { quote!(bool) } else { quote!(usize) });
        Some(quote!(#[doc(hidden)] pub const #constant: #ty = #default;))
    });
    let constants = module_constants(model, item).into_iter().map(|c| quote!(#[doc(hidden)] pub const #c: usize = #c;));
    quote!(#(#defaults)* #(#constants)*)
}

fn module_constants(model: &Model, item: &ItemImpl) -> Vec<Ident> {
    let names: BTreeSet<String> = model.functions.iter().flat_map(|f| parse::free_constants(f, &model.generics)).collect();
    // With the span of the user's code: rustc reports unknown names there.
    let signatures = item.items.iter().filter_map(|i| if let ImplItem::Fn(f) = i { Some(f.sig.to_token_stream()) } else { None });
    let written: Vec<Ident> = signatures.flat_map(idents).collect();
    names.iter().filter(|n| !n.contains(':')).filter_map(|n| written.iter().find(|w| *w == n)).cloned().collect()
}

fn idents(tokens: TokenStream) -> Vec<Ident> {
    let one = |token| match token {
        TokenTree::Ident(i) => vec![i],
        TokenTree::Group(g) => idents(g.stream()),
        _ => vec![],
    };
    tokens.into_iter().flat_map(one).collect()
}
