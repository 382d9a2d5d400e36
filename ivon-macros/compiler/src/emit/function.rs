//! One method: its signature three times over, its saved values, and the parts that the passes write.

use super::saved::SavedPlan;
use super::{Method, backward, checked_dimension, dimension, forward};
use crate::dims::Dim;
use crate::ir::*;
use crate::names;
use crate::parse::{self, InputKind, Variable};
use crate::solve::solved;
use crate::syntax::{bare, expr_text};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use std::collections::BTreeSet;
use syn::Expr;

/// (items beside the impl, functions inside it)
pub(super) fn emit(method: &Method) -> (TokenStream, TokenStream) {
    let function = method.function;
    let name = match method.receiver {
        true => names::ours(&function.name),
        // The functions of a free function go by the names that an op's have.
        false => names::ident("forward"),
    };
    let owner = method.owner;
    let plan = SavedPlan::of(method);
    let saved = names::saved_struct(owner, &function.name);
    let types = plan.types(method, &function.name);
    let (generics, ty) = (method.model.impl_generics(), method.owner_type());
    let saved_generics = parse::impl_generics(plan.layers(method));
    let saved_layers = plan.arguments(method);

    let consts: Vec<_> = function.consts.iter().map(|g| &g.name).collect();
    let inputs: Vec<_> = function
        .inputs
        .iter()
        .zip(&method.program.inputs)
        .map(|(input, value)| {
            let name = value.map_or_else(|| input.name.clone(), |v| method.name(v));
            let ty = match &input.kind {
                InputKind::Number(ty) => quote!(#ty),
                _ => quote!(&ivon::Tensor),
            };
            quote!(#name: #ty)
        })
        .collect();
    let receiver = method.receiver.then(|| quote!(&self,));
    let arguments = quote!(#receiver cx: &ivon::Context, #(#consts: usize,)* #(#inputs),*);
    let output = match function.returns_tuple {
        false => quote!(ivon::Tensor),
        true => {
            let each = function.outputs.iter().map(|_| quote!(ivon::Tensor));
            quote!((#(#each),*))
        }
    };
    let outputs: Vec<Ident> = method.program.outputs.iter().map(|o| method.name(*o)).collect();
    let bind = bind(method);

    let evaluate = forward::Forward::new(method, &plan, false).body();
    let result = tuple(&results(method, &outputs, None), function.returns_tuple);
    let evaluate = with_dims(method, quote!(#bind #evaluate Ok(#result)));

    let keep = forward::Forward::new(method, &plan, true).body();
    let result = tuple(&results(method, &outputs, Some(&plan)), function.returns_tuple);
    let fields = plan.initialisers(method);
    let keep = with_dims(method, quote!(#bind #keep let saved = #saved { #fields }; Ok((#result, saved))));

    let (d_outputs, start) = backward::outputs(method);
    let d_inputs: Vec<Ident> = method.tensor_inputs().map(|v| method.adjoint(v)).collect();
    let back = backward::Backward::new(method, &plan).body();
    // An argument that the result does not depend on, or on its places and signs alone, as `x.argmax(1)`.
    let zeros = method.tensor_inputs().filter(|v| !method.active(*v)).map(|v| {
        let (d_input, shape) = (method.adjoint(v), plan.shapes.iter().find(|(known, _)| *known == v).map(|(_, field)| field));
        quote!(if #d_input.wanted() { #d_input.add(cx, cx.zeros(saved.#shape)?)?; })
    });
    let back = with_dims(method, quote!(#start #back #(#zeros)* Ok(())));
    // The user's documentation of a function is that of its type.
    let evaluate_docs = format!(" The value of `{}`.", names::plain(owner));
    let evaluate_docs = (!method.receiver).then(|| quote!(#[doc = #evaluate_docs]));

    let name_text = name.to_string();
    let (vis, attributes, lints) = (&function.vis, &function.attributes.all, &function.attributes.lints);
    let saving = names::saving(&name);
    let backward_name = match method.receiver {
        true => names::backward(&name),
        false => names::ident("backward"),
    };
    let gradient = gradient(method, &name);
    let made = made_adjoint(method, &quote!(#saved #saved_layers));
    let d_output = if function.adjoint { quote!(impl ::core::convert::Into<ivon::Adjoint>) } else { quote!(ivon::Tensor) };
    let text = match method.receiver {
        true => format!("{}::{}", names::plain(owner), names::plain(&name)),
        false => names::plain(owner),
    };
    let saved_docs = format!(" What the backward pass of `{text}` reads.");
    let saving_docs = format!(" `{text}`, keeping what its backward pass reads.");
    let backward_docs =
        format!(" The backward pass of `{text}`: adds gradients to parameters and to the adjoints of its arguments.");
    let items = quote! {
        #types
        #[doc = #saved_docs]
        pub struct #saved #saved_generics { #plan }
        impl #generics ivon::Differentiable<{ ivon::method(#name_text) }> for #ty {
            type Saved = #saved #saved_layers;
        }
    };
    let bodies = quote! {
        #evaluate_docs
        #(#attributes)*
        #vis fn #name(#arguments) -> ivon::Result<#output> { #evaluate }
        #[doc = #saving_docs]
        #(#lints)*
        #vis fn #saving(#arguments) -> ivon::Result<(#output, #saved #saved_layers)> { #keep }
        #[doc = #backward_docs]
        #(#lints)*
        #vis fn #backward_name(
            #receiver cx: &ivon::Context, saved: #saved #saved_layers,
            #(#d_outputs: #d_output,)* #(#d_inputs: &mut ivon::Adjoint),*
        ) -> ivon::Result<()> { #back }
        #made
        #gradient
    };
    (items, bodies)
}

fn tuple(parts: &[TokenStream], several: bool) -> TokenStream {
    match (several, parts) {
        (false, [one]) => one.clone(),
        _ => quote!((#(#parts),*)),
    }
}

/// The outputs as owned tensors: arguments, parameters, repeated and saved values are shared.
fn results(method: &Method, outputs: &[Ident], plan: Option<&SavedPlan>) -> Vec<TokenStream> {
    let values = &method.program.outputs;
    let one = |(i, (name, v)): (usize, (&Ident, &ValueId))| {
        let again = values[i + 1..].contains(v);
        let shared = matches!(method.value(*v).role, Role::Input | Role::Parameter { .. });
        let saved = plan.is_some_and(|p| p.keeps(*v));
        if again || shared || saved { quote!(#name.clone()) } else { quote!(#name) }
    };
    outputs.iter().zip(values).enumerate().map(one).collect()
}

/// Puts `let WIDTH = self.__dims_set_by_new[0];` in front, for those dimensions that the code reads.
fn with_dims(method: &Method, code: TokenStream) -> TokenStream {
    let mut read = BTreeSet::new();
    names::idents(&code, &mut read);
    let lets = method.model.generics.iter().enumerate().filter(|(_, g)| read.contains(&g.name.to_string())).map(|(i, g)| {
        let (name, i) = (&g.name, proc_macro2::Literal::usize_unsuffixed(i));
        let flag = g.flag.then(|| quote!(!= 0));
        quote!(let #name = self.__dims_set_by_new[#i] #flag;)
    });
    quote!(#(#lets)* #code)
}

/// Gives symbolic dimensions their values and checks what the signature promises:
/// `let [B, T] = ivon::bind("Mlp::forward", ["B", "T"], &[("x", x, &[Symbol(0), Symbol(1), Is(WIDTH)])])?;`
fn bind(method: &Method) -> TokenStream {
    let function = method.function;
    let solved = solved(function);
    let is_solved = |name: &Ident| solved.iter().any(|s| *name == s.variable);
    let symbols: Vec<&Variable> = function.variables.iter().filter(|v| !v.pack && !is_solved(&v.name)).collect();
    let variable = |dim: &Dim| dim.as_name().and_then(|n| function.variables.iter().find(|v| v.name == n));
    let first = rows(method, |dim, expr| match variable(dim) {
        Some(v) if v.pack => quote!(ivon::Extent::Rest),
        Some(v) => match symbols.iter().position(|s| s.name == v.name) {
            Some(i) => {
                let i = Literal::usize_unsuffixed(i);
                quote!(ivon::Extent::Symbol(#i))
            }
            None => quote!(ivon::Extent::Any),
        },
        None if is_of_the_model(method, dim) => {
            let value = dimension(expr);
            quote!(ivon::Extent::Is(#value))
        }
        None => quote!(ivon::Extent::Any),
    });
    if first.is_empty() {
        return quote!();
    }
    let names: Vec<_> = symbols.iter().map(|s| &s.name).collect();
    let texts = names.iter().map(|n| n.to_string());
    let at = match method.receiver {
        true => format!("{}::{}", names::plain(method.owner), names::plain(&function.name)),
        false => names::plain(method.owner),
    };
    let symbols = (!names.is_empty()).then(|| quote!(let [#(#names),*] =));
    let lets = solved.iter().filter_map(|s| {
        let input = &function.inputs[s.input];
        let (InputKind::Tensor { dims, .. } | InputKind::Ids { dims, .. }) = &input.kind else { return None };
        let (x, text) = (method.name(method.program.inputs[s.input]?), input.name.to_string());
        let (variable, dim) = (names::ident(&s.variable), expr_text(bare(&dims[s.dimension])));
        let dim = dim.trim_start_matches("{ ").trim_end_matches(" }");
        let (rest, factor, from_last) = (&s.rest, &s.factor, Literal::usize_unsuffixed(s.rank - s.dimension));
        let i = Literal::usize_unsuffixed(s.dimension);
        let size = if s.pack { quote!(#x.shape()[#x.shape().rank() - #from_last]) } else { quote!(#x.shape()[#i]) };
        let name = &s.variable;
        Some(quote!(let #variable = ivon::solve(#at, #text, (#name, #dim), #size, #rest, #factor)?;))
    });
    // Dimensions that are made of symbolic ones, now that those have values.
    let made = |dim: &Dim| variable(dim).is_none() && !is_of_the_model(method, dim);
    let has_more = function.inputs.iter().any(|i| match &i.kind {
        InputKind::Tensor { shape, .. } | InputKind::Ids { shape, .. } => shape.iter().any(made),
        _ => false,
    });
    let second = has_more.then(|| {
        let rows = rows(method, |dim, expr| match variable(dim) {
            Some(v) if v.pack => quote!(ivon::Extent::Rest),
            None if made(dim) => {
                let value = checked_dimension(expr);
                quote!(ivon::Extent::Is(#value))
            }
            Some(_) | None => quote!(ivon::Extent::Any),
        });
        quote!(ivon::bind(#at, [], &[#(#rows),*])?;)
    });
    // Divisions of symbolic dimensions: those of the model's own were checked when it was built.
    let divisions = function.divisions.iter().filter(|d| !d.numerator.names().chain(d.denominator.names()).any(is_no_name));
    let symbolic = |n: &str| function.variables.iter().any(|v| v.name == n);
    let divisions = divisions.filter(|d| d.numerator.names().chain(d.denominator.names()).any(symbolic));
    let divisions = divisions.filter_map(|d| {
        let (n_text, d_text) = (d.numerator.to_string(), d.denominator.to_string());
        let (n, d): (Expr, Expr) = (syn::parse_str(&n_text).ok()?, syn::parse_str(&d_text).ok()?);
        let (n, d) = (checked_dimension(&n), checked_dimension(&d));
        Some(quote!(ivon::divides(#at, #n_text, #n, #d_text, #d)?;))
    });
    quote!(#symbols ivon::bind(#at, [#(#texts),*], &[#(#first),*])?; #(#lets)* #(#divisions)* #second)
}

/// A name of a dimension that stands for arithmetic.
fn is_no_name(name: &str) -> bool {
    name.contains(['(', '/', '<'])
}

/// True if a dimension is known without the arguments.
fn is_of_the_model(method: &Method, dim: &Dim) -> bool {
    let generics: BTreeSet<String> =
        method.model.generics.iter().chain(&method.function.consts).map(|g| g.name.to_string()).collect();
    dim.names().all(|n| {
        generics.contains(n)
            || n.chars().all(|c| c.is_uppercase() || c == '_' || c.is_numeric())
                && !method.function.variables.iter().any(|v| v.name == n)
    })
}

/// `("x", x, &[..])` for each argument, with what `extent` makes of each dimension.
fn rows(method: &Method, extent: impl Fn(&Dim, &Expr) -> TokenStream) -> Vec<TokenStream> {
    let rows = method.function.inputs.iter().zip(&method.program.inputs).filter_map(|(input, value)| {
        let (InputKind::Tensor { shape, dims, .. } | InputKind::Ids { shape, dims }) = &input.kind else { return None };
        let (name, text) = (method.name((*value)?), input.name.to_string());
        let extents = shape.iter().zip(dims).map(|(dim, expr)| extent(dim, expr));
        Some(quote!((#text, #name, &[#(#extents),*])))
    });
    rows.collect()
}

/// For a method with `#[adjoint]`: the adjoint of its result.
fn made_adjoint(method: &Method, saved: &TokenStream) -> TokenStream {
    let [output] = method.program.outputs[..] else { return quote!() };
    let Some(adjoint) = method.made_adjoint(output, &quote!(saved)).filter(|_| method.function.adjoint) else { return quote!() };
    let (vis, name) = (&method.function.vis, names::made_adjoint(&method.function.name));
    let lints = &method.function.attributes.lints;
    let docs = format!(
        " The adjoint of what `{}::{}` returned: given to the backward passes that contribute to it, then back.",
        method.owner, method.function.name
    );
    quote! {
        #[doc = #docs]
        #(#lints)*
        #vis fn #name(&self, saved: &#saved) -> ivon::Adjoint { #adjoint }
    }
}

/// For a scalar result: the whole step in planned memory.
fn gradient(method: &Method, name: &Ident) -> TokenStream {
    let (function, lints) = (method.function, &method.function.attributes.lints);
    if !method.receiver || function.returns_tuple || function.outputs.first().is_none_or(|s| !s.is_empty()) {
        return quote!();
    }
    let (vis, gradient, saving, backward) = (&function.vis, names::gradient(name), names::saving(name), names::backward(name));
    let consts: Vec<_> = function.consts.iter().map(|g| &g.name).collect();
    let names: Vec<Ident> = function
        .inputs
        .iter()
        .zip(&method.program.inputs)
        .map(|(i, v)| v.map_or_else(|| i.name.clone(), |v| method.name(v)))
        .collect();
    let typed = function.inputs.iter().zip(&names).map(|(i, name)| match &i.kind {
        InputKind::Number(ty) => quote!(#name: #ty),
        _ => quote!(#name: &ivon::Tensor),
    });
    // Numbers that are passed in may decide what is allocated, too.
    let numbers = function.inputs.iter().filter_map(|i| match &i.kind {
        InputKind::Number(ty) => Some((&i.name, ty == "f64")),
        _ => None,
    });
    let numbers = function.consts.iter().map(|g| (&g.name, false)).chain(numbers);
    let numbers = numbers.map(|(name, float)| if float { quote!(.and(#name.to_bits())) } else { quote!(.and(#name as u64)) });
    let tensors = method.program.inputs.iter().flatten().map(|v| method.name(*v));
    let given = function.inputs.iter().zip(&names).map(|(i, name)| match &i.kind {
        InputKind::Tensor { .. } => quote!(&cx.input(#name)?),
        _ => quote!(#name),
    });
    let skips = method.tensor_inputs().map(|_| quote!(&mut ivon::Adjoint::skip()));
    let at = format!("{}::{}", names::plain(method.owner), names::plain(name));
    let docs = format!(
        " The value of `{at}`, and its gradient, times `cx.loss_scale()`, added to the parameters: one forward and one backward pass in planned memory."
    );
    quote! {
        #[doc = #docs]
        #(#lints)*
        #vis fn #gradient(&self, cx: &ivon::Context, #(#consts: usize,)* #(#typed),*) -> ivon::Result<f64> {
            cx.differentiated(
                ivon::StepKey::of(#at, self)#(#numbers)*,
                &[#(#tensors),*],
                |cx| self.#saving(cx, #(#consts,)* #(#given),*),
                |cx, saved, d_value| self.#backward(cx, saved, d_value, #(#skips),*),
            )
        }
    }
}
