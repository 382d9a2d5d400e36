//! The computation of a model's methods, as a constant that `ivon_runtime::graph` draws: a line for each call, fused kernel and parameter,
//! under the user's names and with the shapes of their signatures.

use super::{Method, kernel};
use crate::dims::{self, Dim, Shape};
use crate::intrinsics::REDUCTIONS;
use crate::ir::*;
use crate::names;
use crate::parse::{FieldKind, Model};
use crate::syntax::{expr_text, last};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use std::collections::BTreeSet;

/// `fn graph(&self)` of `impl Model`.
pub(super) fn emit(model: &Model, methods: &[Method]) -> TokenStream {
    let name = names::plain(&model.name);
    let constant = methods.iter().map(method);
    let sizes = model.generics.iter().enumerate().map(|(i, g)| {
        let (name, i, usual) = (g.name.to_string(), Literal::usize_unsuffixed(i), names::default_of(&g.name));
        let value = if g.flag { quote!(self.__dims_set_by_new[#i] != 0) } else { quote!(self.__dims_set_by_new[#i]) };
        match (&g.default, g.flag) {
            (Some(_), _) => quote!(.or_usual(#name, #value, Self::#usual)),
            (None, true) => quote!(.flag(#name, #value)),
            (None, false) => quote!(.size(#name, #value)),
        }
    });
    let parts = model.fields.iter().filter_map(|f| {
        let (field, name) = (&f.name, names::plain(&f.name));
        match &f.kind {
            FieldKind::Layer(_) if f.when.is_some() => Some(quote!(.parts(#name, self.#field.as_slice()))),
            FieldKind::Layer(_) => Some(quote!(.part(#name, &self.#field))),
            FieldKind::Array { .. } => Some(quote!(.parts(#name, &self.#field))),
            _ => None,
        }
    });
    quote! {
        fn graph(&self) -> ivon::graph::Graph {
            use ivon::graph::{Method, Step};
            const METHODS: &[Method] = &[#(#constant),*];
            ivon::graph::Graph::new(#name, METHODS) #(#sizes)* #(#parts)*
        }
    }
}

fn method(method: &Method) -> TokenStream {
    let name = names::plain(&method.function.name);
    let inputs = method.program.inputs.iter().flatten().map(|v| made(method, *v));
    let mut drawn = BTreeSet::new();
    let mut steps = block(method, &method.program.body, &mut drawn);
    steps.extend(parameters(method, &method.program.outputs, &mut drawn));
    let outputs = method.program.outputs.iter().map(|v| &method.value(*v).name);
    quote!(Method { name: #name, inputs: &[#(#inputs),*], steps: &[#(#steps),*], outputs: &[#(#outputs),*] })
}

/// `drawn`: the parameters that stand already.
fn block(method: &Method, body: &[Instruction], drawn: &mut BTreeSet<ValueId>) -> Vec<TokenStream> {
    let mut steps = vec![];
    for instruction in body {
        if !matches!(instruction.op, Op::Loop(_)) {
            steps.extend(parameters(method, &instruction.reads(), drawn));
        }
        steps.push(step(method, instruction, drawn));
    }
    steps
}

/// The parameters and buffers among these values that do not stand yet.
fn parameters(method: &Method, values: &[ValueId], drawn: &mut BTreeSet<ValueId>) -> Vec<TokenStream> {
    let is_new =
        |v: &&ValueId| matches!(method.value(**v).role, Role::Parameter { .. } | Role::Buffer { .. }) && drawn.insert(**v);
    let new: Vec<ValueId> = values.iter().filter(is_new).copied().collect();
    let one = |v: ValueId| {
        let (name, shape) = (&method.value(v).name, shape_text(method, v));
        quote!(Step::Parameter(#name, #shape))
    };
    new.into_iter().map(one).collect()
}

fn step(method: &Method, instruction: &Instruction, drawn: &mut BTreeSet<ValueId>) -> TokenStream {
    let name = |v: ValueId| &method.value(v).name;
    let reads = instruction.arguments.iter().filter_map(Argument::value).map(name);
    let makes = instruction.results.iter().map(|v| made(method, *v));
    let (reads, makes) = (quote!(&[#(#reads),*]), quote!(&[#(#makes),*]));
    match &instruction.op {
        Op::Layer {
            target: Target::Field(field) | Target::Item { field, .. } | Target::Element { field, .. },
            method: called,
        } => {
            let (field, called) = (names::plain(&method.model.fields[*field].name), names::plain(called));
            quote!(Step::Layer(#field, #called, #reads, #makes))
        }
        Op::Layer { target: Target::Own, method: called } => {
            let called = names::plain(called);
            quote!(Step::Own(#called, #reads, #makes))
        }
        Op::Kernel(k) => {
            let (text, reads) = (kernel::text(method, k), k.inputs.iter().map(|v| name(*v)));
            quote!(Step::Kernel(#text, &[#(#reads),*], #makes))
        }
        Op::Loop(l) => {
            let field = match &l.elements[..] {
                [element] => names::plain(&method.model.fields[element.field].name),
                _ => instruction.text.trim_start_matches("for ").to_string(),
            };
            let carried = l.carried.iter().map(|c| {
                let (turn, start, next) = (name(c.turn), name(c.start), name(c.next));
                quote!((#turn, #start, #next))
            });
            // A parameter that only the iterations read stands inside.
            let mut inside = drawn.clone();
            let steps = block(method, &l.body, &mut inside);
            quote!(Step::Loop(#field, &[#(#carried),*], &[#(#steps),*]))
        }
        // A list is what it was with one tensor more.
        Op::Push => {
            let list = instruction.arguments[0].value().map(|v| made(method, v));
            quote!(Step::Op("push", #reads, &[#list]))
        }
        Op::Branch(_) => {
            let (label, reads) = (&instruction.text, instruction.reads());
            let reads = reads.iter().map(|v| name(*v));
            quote!(Step::Op(#label, &[#(#reads),*], #makes))
        }
        op => {
            let label = label(op);
            quote!(Step::Op(#label, #reads, #makes))
        }
    }
}

/// `causal_attention<HEADS>`, `slice(0, 0..T)`
fn label(op: &Op) -> String {
    let list = |dims: &[syn::Expr]| dims.iter().map(expr_text).collect::<Vec<_>>().join(", ");
    match op {
        Op::Call { path, dims } if dims.is_empty() => last(path).to_string(),
        Op::Call { path, dims } => format!("{}<{}>", last(path), list(dims)),
        Op::Expand(_) => "expand".into(),
        Op::Fill(_) => "filled".into(),
        Op::CompareIds(comparison) => format!("compare({})", comparison.comparison().unwrap_or_default()),
        Op::Squeeze(axis) => format!("squeeze({})", expr_text(axis)),
        Op::Unsqueeze(axis) => format!("unsqueeze({})", expr_text(axis)),
        Op::Permute(order) => format!("permute({})", list(order)),
        Op::Transpose(a, b) => format!("transpose({}, {})", expr_text(a), expr_text(b)),
        Op::Slice(axis, start, end) => format!("slice({}, {}..{})", expr_text(axis), expr_text(start), expr_text(end)),
        Op::At(axis, place) => format!("at({}, {})", expr_text(axis), expr_text(place)),
        Op::Stack(axis, _) => format!("stack({})", expr_text(axis)),
        Op::Detach => "stop_gradient".into(),
        Op::List => "list".into(),
        Op::Item(index) => format!("[{}]", expr_text(index)),
        Op::Concat(axis) => format!("concat({})", expr_text(axis)),
        Op::Reduce { reduction, axes, keep } => {
            let known = REDUCTIONS.iter().find(|(known, ..)| known == reduction);
            let name = known.map_or("sum", |(_, name, kept)| kept.filter(|_| *keep).unwrap_or(name));
            if axes.is_empty() { name.to_string() } else { format!("{name}({})", list(axes)) }
        }
        _ => "reshape".into(),
    }
}

/// `("up", "[B, T, 4 * WIDTH]")`
fn made(method: &Method, v: ValueId) -> TokenStream {
    let (name, shape) = (&method.value(v).name, shape_text(method, v));
    quote!((#name, #shape))
}

/// With `..` for any number of leading dimensions.
fn shape_text(method: &Method, v: ValueId) -> String {
    let pack = |d: &Dim| d.as_name().is_some_and(|n| method.function.variables.iter().any(|v| v.pack && v.name == n));
    let shape: Shape = method.value(v).shape.clone().unwrap_or_default();
    let shape: Shape = shape.into_iter().map(|d| if pack(&d) { Dim::name("..") } else { d }).collect();
    dims::show(&shape)
}
