//! The forward pass, once for evaluation and once keeping what the backward pass reads.

use super::saved::SavedPlan;
use super::{Method, checked_dimension, kernel, structural_module};
use crate::intrinsics::{Intrinsic, Reduction};
use crate::ir::*;
use crate::names;
use crate::parse::{Input, InputKind};
use crate::syntax::{constant, is_left_open};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote};
use std::collections::{BTreeMap, BTreeSet};
use syn::Expr;

/// Writes the statements of a forward pass.
pub(super) struct Forward<'a> {
    pub(super) method: &'a Method<'a>,
    plan: &'a SavedPlan,
    pub(super) saving: bool,
    sampled: BTreeSet<ValueId>,
}

impl<'a> Forward<'a> {
    pub fn new(method: &'a Method<'a>, plan: &'a SavedPlan, saving: bool) -> Self {
        Forward { method, plan, saving, sampled: BTreeSet::new() }
    }

    pub fn body(mut self) -> TokenStream {
        let method = self.method;
        let outputs: BTreeSet<ValueId> = method.program.outputs.iter().copied().collect();
        let samples = self.samples(method.program.outputs.iter().copied());
        let body = self.block(&method.program.body, self.plan, &outputs);
        quote!(#samples #body)
    }

    /// Reads parameters that were not read yet: theta = mean + sigma · noise.
    fn samples(&mut self, values: impl Iterator<Item = ValueId>) -> TokenStream {
        let mut lines = quote!();
        for v in values {
            let Role::Parameter { field, optional } = self.method.value(v).role else { continue };
            if self.sampled.insert(v) {
                let (name, field) = (self.method.name(v), &self.method.model.fields[field].name);
                lines.extend(match optional {
                    false if self.method.is_weight(v) => quote!(let #name = cx.weight(&self.#field)?;),
                    false => quote!(let #name = cx.sample(&self.#field)?;),
                    true => quote!(let #name = cx.sample_if(self.#field.as_ref())?;),
                });
            }
        }
        lines
    }

    /// `after`: values of the block that are read after it.
    pub(super) fn block(&mut self, body: &[Instruction], plan: &SavedPlan, after: &BTreeSet<ValueId>) -> TokenStream {
        let mut lines = quote!();
        let mut last: BTreeMap<ValueId, usize> = BTreeMap::new();
        for (at, instruction) in body.iter().enumerate() {
            instruction.results.iter().chain(&instruction.reads()).for_each(|v| {
                last.insert(*v, at);
            });
        }
        for (at, instruction) in body.iter().enumerate() {
            // A value that dies here and is not kept may be moved into a loop.
            let dies = |v: ValueId| {
                last.get(&v) == Some(&at) && !after.contains(&v) && !(self.saving && plan.keeps(v)) && self.is_own(v, body)
            };
            let dying: Vec<ValueId> = last.keys().copied().filter(|v| dies(*v)).collect();
            let samples = self.samples(instruction.reads().into_iter());
            let comment = self.method.comment(instruction);
            let (code, moved) = self.instruction(instruction, plan, &dying);
            let drops = dying.iter().filter(|v| !moved.contains(v)).map(|v| {
                let name = self.method.name(*v);
                quote!(drop(#name);)
            });
            // The shape of a value that dies before the saved values are put together.
            let shapes = plan.shapes.iter().filter(|(v, _)| self.saving && instruction.results.contains(v));
            let shapes = shapes.map(|(v, field)| {
                let name = self.method.name(*v);
                quote!(let #field = *#name.shape();)
            });
            lines.extend(quote!(#comment #samples #code #(#shapes)* #(#drops)*));
        }
        lines
    }

    /// True if a value is a local of this block.
    pub(super) fn is_own(&self, v: ValueId, body: &[Instruction]) -> bool {
        matches!(self.method.value(v).role, Role::Local | Role::Carried) && body.iter().any(|i| i.results.contains(&v))
    }

    /// The code of an instruction, and which of the dying values it takes.
    fn instruction(&mut self, instruction: &Instruction, plan: &SavedPlan, dying: &[ValueId]) -> (TokenStream, Vec<ValueId>) {
        let method = self.method;
        let saving = self.saving && method.is_active(instruction);
        let results: Vec<Ident> = instruction.results.iter().map(|r| method.name(*r)).collect();
        let value = if results.len() == 1 { quote!(#(#results)*) } else { quote!((#(#results),*)) };
        let saved = names::ident(&names::saved_variable(&instruction.saved));
        let pattern = if saving { quote!((#value, #saved)) } else { value };
        let code = match &instruction.op {
            Op::Loop(l) => return self.for_loop(l, instruction, plan, dying),
            Op::Branch(b) => self.branch(b, instruction, plan),
            Op::List => quote!(let mut #(#results)* = ivon::Collected::new();),
            Op::Push => return self.push(instruction, saving, dying),
            Op::Item(index) => {
                let (index, list) = (checked_dimension(index), instruction.arguments.iter().filter_map(Argument::value));
                let list: Vec<Ident> = list.map(|v| method.name(v)).collect();
                let text = list.iter().map(|l| l.to_string()).collect::<String>();
                match saving {
                    true => quote!(let #saved = #index; let #(#results)* = #(#list)*.get(#text, #saved)?.clone();),
                    false => quote!(let #(#results)* = #(#list)*.get(#text, #index)?.clone();),
                }
            }
            Op::Detach => {
                let tensors = instruction.arguments.iter().filter_map(Argument::value).map(|v| method.name(v));
                quote!(let #(#results)* = #(#tensors)*.clone();)
            }
            Op::Kernel(kernel) => {
                let name = kernel::emit_forward(method, instruction, kernel);
                let inputs = kernel.inputs.iter().map(|v| self.reference(*v));
                let numbers = &kernel.numbers;
                quote!(let #(#results)* = ivon::ops::pointwise::forward(cx, #name, [#(#inputs),*], [#(#numbers),*])?;)
            }
            Op::Layer { method: called, .. } => {
                let Some((function, callee)) = method.callee(&instruction.op) else { return (quote!(), vec![]) };
                let arguments = self.arguments(&instruction.arguments, &function.inputs);
                let place = callee_place(method, &instruction.op);
                let called = if saving { names::saving(called) } else { called.clone() };
                quote!(let #pattern = cx.layer(#place, || #callee.#called(cx, #(#arguments),*))?;)
            }
            Op::Call { dims, .. } => {
                let Some((function, callee)) = method.callee(&instruction.op) else { return (quote!(), vec![]) };
                let arguments = self.arguments(&instruction.arguments, &function.inputs);
                let dims = dims.iter().map(checked_dimension);
                let called = names::ident(if saving { "forward_saving" } else { "forward" });
                quote!(let #pattern = #callee::#called(cx, #(#dims,)* #(#arguments),*)?;)
            }
            Op::Fill(dims) => {
                let dims = dims.iter().map(checked_dimension);
                let number = instruction.arguments.iter().map(|a| match a {
                    Argument::Number(tokens) => tokens.clone(),
                    _ => quote!(0.0),
                });
                quote!(let #pattern = cx.filled([#(#dims),*], #(#number)*)?;)
            }
            Op::CompareIds(comparison) => {
                let called = self.compared(*comparison, &instruction.arguments);
                quote!(let #pattern = #called;)
            }
            op => {
                let module = structural_module(op);
                let of_parameters = matches!(op, Op::Reduce { reduction: Reduction::Mean, .. })
                    && !instruction.reads().iter().any(|v| method.derivative.given[*v]);
                let called = names::ident(match (of_parameters, saving) {
                    (true, true) => "of_parameters_saving",
                    (true, false) => "of_parameters",
                    (false, true) => "forward_saving",
                    (false, false) => "forward",
                });
                let arguments = self.structural(instruction);
                quote!(let #pattern = #module::#called(cx, #arguments)?;)
            }
        };
        (code, vec![])
    }

    /// A comparison of ids.
    fn compared(&self, comparison: Intrinsic, arguments: &[Argument]) -> TokenStream {
        let comparison = names::ident(match comparison {
            Intrinsic::Gt => "Greater",
            Intrinsic::Ge => "AtLeast",
            Intrinsic::Lt => "Less",
            Intrinsic::Le => "AtMost",
            Intrinsic::Eq => "Equal",
            _ => "Unequal",
        });
        let arguments = arguments.iter().filter_map(|a| match a {
            Argument::Value(v) => Some(self.reference(*v)),
            Argument::Number(tokens) => Some(tokens.clone()),
            _ => None,
        });
        quote!(ivon::ops::compare_ids::forward(cx, ivon::ops::Comparison::#comparison, #(#arguments),*)?)
    }

    /// The arguments of an operation on shapes.
    fn structural(&self, instruction: &Instruction) -> TokenStream {
        let method = self.method;
        let tensors: Vec<_> = instruction.arguments.iter().filter_map(Argument::value).map(|v| self.reference(v)).collect();
        let of = instruction.arguments.first().and_then(Argument::value);
        let axis = |axis: &Expr| of.map(|of| method.axis(axis, of, 0));
        match &instruction.op {
            Op::Reshape(dims) => {
                let dims = self.reshaped(dims, of);
                quote!(#(#tensors)*, &[#(#dims),*])
            }
            Op::Expand(dims) => {
                let dims = dims.iter().map(checked_dimension);
                quote!(#(#tensors)*, [#(#dims),*])
            }
            Op::Squeeze(a) => {
                let a = axis(a);
                quote!(#(#tensors)*, #a)
            }
            Op::Unsqueeze(a) => {
                let a = of.map(|of| method.axis(a, of, 1));
                quote!(#(#tensors)*, #a)
            }
            Op::Transpose(a, b) => {
                let (a, b) = (axis(a), axis(b));
                quote!(#(#tensors)*, #a, #b)
            }
            Op::Permute(order) => {
                let order = order.iter().map(axis);
                quote!(#(#tensors)*, &[#(#order),*])
            }
            Op::Slice(a, start, end) => {
                let (a, start, end) = (axis(a), checked_dimension(start), checked_dimension(end));
                quote!(#(#tensors)*, #a, #start..#end)
            }
            Op::Concat(a) => {
                let a = axis(a);
                quote!(&[#(#tensors),*], #a)
            }
            Op::At(a, place) => {
                let (a, place) = (axis(a), checked_dimension(place));
                quote!(#(#tensors)*, #a, #place)
            }
            Op::Stack(a, _) => {
                let a = of.map(|of| method.axis(a, of, 1));
                match is_list(method, instruction) {
                    true => {
                        let list = of.map(|list| method.name(list));
                        quote!(&#list.all(), #a)
                    }
                    false => quote!(&[#(#tensors),*], #a),
                }
            }
            Op::Reduce { axes, keep, .. } => {
                let axes: Vec<_> = axes.iter().map(axis).collect();
                match axes.as_slice() {
                    _ if *keep => quote!(#(#tensors)*, ivon::ops::Axes::from([#(#axes),*]).keep()),
                    [] => quote!(#(#tensors)*, None),
                    [axis] => quote!(#(#tensors)*, Some(#axis)),
                    axes => quote!(#(#tensors)*, [#(#axes),*]),
                }
            }
            _ => quote!(#(#tensors)*),
        }
    }

    /// The dimensions of a reshape; `_` is computed from the others.
    fn reshaped(&self, dims: &[Expr], of: Option<ValueId>) -> Vec<TokenStream> {
        let others: Vec<_> = dims.iter().filter(|d| !is_left_open(d)).map(checked_dimension).collect();
        let name = of.map(|of| self.reference(of));
        let one = |dim: &Expr| match is_left_open(dim) {
            true => quote!(ivon::left_open(#name, &[#(#others),*])?),
            false => checked_dimension(dim),
        };
        dims.iter().map(one).collect()
    }

    /// A value as `&Tensor`.
    pub(super) fn reference(&self, v: ValueId) -> TokenStream {
        let name = self.method.name(v);
        match self.method.value(v).role {
            Role::Input => quote!(#name),
            Role::Buffer { field } => {
                let field = &self.method.model.fields[field].name;
                quote!(&self.#field)
            }
            _ => quote!(&#name),
        }
    }

    fn arguments(&self, arguments: &[Argument], inputs: &[Input]) -> Vec<TokenStream> {
        arguments
            .iter()
            .zip(inputs)
            .map(|(argument, input)| match (argument, &input.kind) {
                (Argument::Number(tokens), InputKind::Number(ty)) if ty == "usize" => count(&input.name, tokens),
                (Argument::Number(tokens) | Argument::Flag(tokens), _) => quote!(#tokens),
                (Argument::Absent, _) => quote!(None),
                (Argument::Value(v), InputKind::Optional { .. }) => match self.method.value(*v).role {
                    Role::Parameter { optional: true, .. } => {
                        let name = self.method.name(*v);
                        quote!(#name.as_ref())
                    }
                    _ => {
                        let reference = self.reference(*v);
                        quote!(Some(#reference))
                    }
                },
                (Argument::Value(v), _) => self.reference(*v),
            })
            .collect()
    }
}

/// True if what is stacked is a list, not tensors one by one.
pub(super) fn is_list(method: &Method, instruction: &Instruction) -> bool {
    instruction.arguments.iter().filter_map(Argument::value).any(|v| method.value(v).kind == Kind::List)
}

/// A number as a usize.
fn count(argument: &Ident, tokens: &TokenStream) -> TokenStream {
    let whole = |e: &Expr| match e {
        Expr::Cast(cast) => Some(cast.expr.to_token_stream()),
        _ => None,
    };
    match (constant(tokens), syn::parse2::<Expr>(tokens.clone())) {
        (Some(n), _) => {
            let n = Literal::usize_unsuffixed(n as usize); // whole: `check` has seen to it
            quote!(#n)
        }
        // A dimension, a setting or an argument, which is one.
        (_, Ok(Expr::Paren(p))) if whole(&p.expr).is_some() => whole(&p.expr).unwrap_or_default(),
        _ => {
            let name = names::plain(argument);
            quote!(ivon::count(#name, #tokens)?)
        }
    }
}

/// Returns the place of a call, as profiles and errors at run time name it.
fn callee_place(method: &Method, op: &Op) -> String {
    match op {
        Op::Layer { target, method: called } => match target.field() {
            Some(field) => names::plain(&method.model.fields[field].name),
            None => names::plain(called),
        },
        _ => String::new(),
    }
}
