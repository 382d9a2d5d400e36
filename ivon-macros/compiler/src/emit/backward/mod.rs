//! The backward pass: the instructions in reverse. The adjoint of a value is born at its first contribution and taken by the
//! instruction that made the value.

mod adjoint;
mod branch;
mod kernel;
mod turns;

use super::forward::is_list;
use super::saved::SavedPlan;
use super::{Method, structural_module};
use crate::ir::*;
use crate::names;
use crate::parse::{Input, InputKind};
use adjoint::State;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::BTreeMap;

/// The names of the outputs' adjoints as arguments, and what is to be done with them first.
pub(super) fn outputs(method: &Method) -> (Vec<Ident>, TokenStream) {
    let outputs = &method.program.outputs;
    let (mut arguments, mut start) = (vec![], quote!());
    for (i, output) in outputs.iter().enumerate() {
        let value = method.value(*output);
        let first = outputs.iter().position(|o| o == output) == Some(i);
        if first && matches!(value.role, Role::Local | Role::Carried) {
            let argument = method.adjoint(*output);
            if method.function.adjoint {
                start.extend(quote!(let mut #argument: ivon::Adjoint = #argument.into();));
            }
            arguments.push(argument);
            continue;
        }
        // An argument or a parameter that is returned as it is, or a value that is returned twice.
        let argument = names::ident(&format!("d_output_{i}"));
        let d_value = method.adjoint(*output);
        start.extend(match value.role {
            Role::Input => quote!(#d_value.add(cx, #argument)?;),
            Role::Parameter { .. } => {
                let gradient = gradient(method, *output);
                quote!(#gradient.add(cx, #argument)?;)
            }
            _ => quote! {
                let mut #d_value = ivon::Adjoint::of(#d_value);
                #d_value.add(cx, #argument)?;
                let #d_value = #d_value.into_sum(::core::stringify!(#d_value))?;
            },
        });
        arguments.push(argument);
    }
    (arguments, start)
}

fn gradient(method: &Method, parameter: ValueId) -> TokenStream {
    match method.value(parameter).role {
        Role::Parameter { field, optional: false } => {
            let field = &method.model.fields[field].name;
            quote!(cx.gradient(&self.#field)?)
        }
        Role::Parameter { field, optional: true } => {
            let field = &method.model.fields[field].name;
            quote!(cx.gradient(self.#field.as_ref())?)
        }
        _ => quote!(ivon::Adjoint::skip()),
    }
}

pub(super) struct Backward<'a> {
    method: &'a Method<'a>,
    plan: &'a SavedPlan,
    states: BTreeMap<ValueId, State>,
    /// The saved values of the block at hand.
    saved: TokenStream,
}

impl<'a> Backward<'a> {
    pub fn new(method: &'a Method<'a>, plan: &'a SavedPlan) -> Self {
        let local = |v: &&ValueId| matches!(method.value(**v).role, Role::Local | Role::Carried);
        let state = if method.function.adjoint { State::Adjoint } else { State::Tensor };
        let states = method.program.outputs.iter().filter(local).map(|v| (*v, state)).collect();
        Backward { method, plan, states, saved: quote!(saved) }
    }

    pub fn body(mut self) -> TokenStream {
        self.block(&self.method.program.body, self.plan, &quote!(saved))
    }

    fn block(&mut self, body: &[Instruction], plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let mut lines = quote!();
        let outer = std::mem::replace(&mut self.saved, saved.clone());
        // The first instruction that reads a saved tensor is the last one here.
        let mut reads: BTreeMap<ValueId, usize> = BTreeMap::new();
        for (at, result) in body.iter().enumerate().flat_map(|(at, i)| i.results.iter().map(move |r| (at, r))) {
            if let (Op::Kernel(_), Some(kernel)) = (&body[at].op, self.method.derivative.kernels.get(result)) {
                kernel.values().for_each(|v| {
                    reads.entry(v).or_insert(at);
                });
            }
        }
        for (at, instruction) in body.iter().enumerate().rev().filter(|(_, i)| self.method.is_active(i)) {
            let comment = self.method.comment(instruction);
            let code = self.instruction(instruction, plan, saved);
            let drops =
                plan.tensors.iter().filter(|(v, _)| reads.get(v) == Some(&at)).map(|(_, field)| quote!(drop(#saved.#field);));
            lines.extend(quote!(#comment #code #(#drops)*));
        }
        self.saved = outer;
        lines
    }

    fn instruction(&mut self, instruction: &Instruction, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let method = self.method;
        let field = names::ident(&instruction.saved);
        match &instruction.op {
            Op::Loop(l) => self.for_loop(l, instruction, plan, saved),
            Op::Branch(b) => self.branch(b, instruction, plan, saved),
            Op::Push => self.push(instruction, saved),
            Op::Item(_) => {
                let Some(list) = instruction.arguments.first().and_then(Argument::value) else { return quote!() };
                let (before, d_list) = (self.declare(list), method.adjoint(list));
                let d_item = self.complete(instruction.results[0], &instruction.results, plan, saved);
                let code = self.guarded(&instruction.results, quote!(#d_list.at(#saved.#field).add(cx, #d_item)?;));
                quote!(#before #code)
            }
            Op::Stack(..) if is_list(method, instruction) => {
                let Some(list) = instruction.arguments.first().and_then(Argument::value) else { return quote!() };
                let (before, d_list) = (self.declare(list), method.adjoint(list));
                let d_result = self.complete(instruction.results[0], &instruction.results, plan, saved);
                let code = quote!(ivon::ops::stack::backward_of_list(cx, #saved.#field, #d_result, &mut #d_list)?;);
                let code = self.guarded(&instruction.results, code);
                quote!(#before #code)
            }
            Op::Kernel(forward) => self.kernel(instruction.results[0], forward, plan, saved),
            Op::Layer { method: called, .. } => {
                let Some((function, callee)) = method.callee(&instruction.op) else { return quote!() };
                let called = names::backward(called);
                let place = match &instruction.op {
                    Op::Layer { target, .. } => target.field().map(|f| names::plain(&method.model.fields[f].name)),
                    _ => None,
                };
                let place = place.unwrap_or_else(|| called.to_string());
                let (before, targets, after) = self.targets(&instruction.arguments, Some(&function.inputs));
                let d_outputs = instruction.results.iter().map(|r| self.complete(*r, &instruction.results, plan, saved));
                let call =
                    quote!(cx.layer(#place, || #callee.#called(cx, #saved.#field, #(#d_outputs,)* #(#targets),*))?; #after);
                let call = self.guarded(&instruction.results, call);
                quote!(#before #call)
            }
            Op::Call { .. } => {
                let Some((function, callee)) = method.callee(&instruction.op) else { return quote!() };
                let (before, targets, after) = self.targets(&instruction.arguments, Some(&function.inputs));
                let d_outputs = instruction.results.iter().map(|r| self.complete(*r, &instruction.results, plan, saved));
                let call = quote!(#callee::backward(cx, #saved.#field, #(#d_outputs,)* #(#targets),*)?; #after);
                let call = self.guarded(&instruction.results, call);
                quote!(#before #call)
            }
            op => {
                let module = structural_module(op);
                let (before, targets, after) = self.targets(&instruction.arguments, None);
                let d_result = self.complete(instruction.results[0], &instruction.results, plan, saved);
                let targets = match op {
                    Op::Concat(_) | Op::Stack(..) => quote!(&mut [#(#targets),*]),
                    _ => quote!(#(#targets),*),
                };
                let call = quote!(#module::backward(cx, #saved.#field, #d_result, #targets)?; #after);
                let call = self.guarded(&instruction.results, call);
                quote!(#before #call)
            }
        }
    }

    /// `list.push(x)`: what the place in the list was given is x's.
    fn push(&mut self, instruction: &Instruction, saved: &TokenStream) -> TokenStream {
        let [Argument::Value(list), Argument::Value(pushed)] = instruction.arguments[..] else { return quote!() };
        let field = names::ident(&instruction.saved);
        let (before, of_list) = (self.declare(pushed), self.declare(list));
        let (target, d_list) = (self.target(pushed), self.method.adjoint(list));
        quote!(#before #of_list (#target).merge(cx, #d_list.take(#saved.#field))?;)
    }

    /// The adjoints of a call's arguments: declarations before, one `&mut Adjoint` each, and what is left to do after.
    /// An argument that is given twice gets an adjoint of its own the second time.
    fn targets(&mut self, arguments: &[Argument], inputs: Option<&[Input]>) -> (TokenStream, Vec<TokenStream>, TokenStream) {
        let (mut before, mut targets, mut after) = (quote!(), vec![], quote!());
        let mut seen: Vec<ValueId> = vec![];
        for (i, argument) in arguments.iter().enumerate() {
            if let Some(inputs) = inputs
                && !matches!(inputs[i].kind, InputKind::Tensor { .. } | InputKind::Optional { .. })
            {
                continue;
            }
            let Some(v) = argument.value() else {
                targets.push(quote!(&mut ivon::Adjoint::skip()));
                continue;
            };
            if !self.method.active(v) {
                targets.push(quote!(&mut ivon::Adjoint::skip()));
            } else if seen.contains(&v) {
                let again = names::ident(&format!("{}_again_{i}", names::adjoint(&self.method.value(v).name)));
                let target = self.target(v);
                before.extend(quote!(let mut #again = ivon::Adjoint::new();));
                targets.push(quote!(&mut #again));
                after.extend(quote!((#target).merge(cx, #again)?;));
            } else {
                seen.push(v);
                before.extend(self.declare(v));
                targets.push(self.target(v));
            }
        }
        (before, targets, after)
    }
}
