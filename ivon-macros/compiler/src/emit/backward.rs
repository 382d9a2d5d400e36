//! The backward pass: the instructions in reverse. The adjoint of a value is born at its first contribution and taken by the
//! instruction that made the value.

use super::Method;
use super::forward::{SavedPlan, structural_module};
use crate::fuse::Kernel;
use crate::ir::*;
use crate::names;
use crate::parse::{Input, InputKind};
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
                let #d_value = #d_value.into_sum(stringify!(#d_value))?;
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

/// What the variable `d_x` holds at a point of the backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A tensor: the adjoint of an output, to which nothing else was added.
    Tensor,
    /// An `Adjoint`.
    Adjoint,
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

    /// Declares the adjoint of a local value, if this is its first contribution.
    fn declare(&mut self, v: ValueId) -> TokenStream {
        let name = self.method.adjoint(v);
        match (self.method.value(v).role, self.states.get(&v)) {
            (Role::Local | Role::Carried, None) => {
                self.states.insert(v, State::Adjoint);
                let born = match self.method.derivative.learned[v] {
                    true if self.is_made(v) => self.method.made_adjoint(v, &self.saved).unwrap_or_default(),
                    true => quote!(ivon::Adjoint::new()),
                    // It depends on arguments alone: nobody needs it where nobody needs theirs.
                    false => {
                        let wanted = super::function::tensor_inputs(self.method).map(|i| {
                            let d_input = self.method.adjoint(i);
                            quote!(#d_input.wanted())
                        });
                        quote!(ivon::Adjoint::when(#(#wanted)||*))
                    }
                };
                quote!(let mut #name = #born;)
            }
            (Role::Local | Role::Carried, Some(State::Tensor)) => {
                self.states.insert(v, State::Adjoint);
                quote!(let mut #name = ivon::Adjoint::of(#name);)
            }
            _ => quote!(),
        }
    }

    /// The adjoint of a value as `&mut Adjoint`.
    fn target(&self, v: ValueId) -> TokenStream {
        let name = self.method.adjoint(v);
        match self.method.value(v).role {
            _ if !self.method.active(v) => quote!(&mut ivon::Adjoint::skip()),
            Role::Input => quote!(#name),
            Role::Parameter { .. } => {
                let gradient = gradient(self.method, v);
                quote!(&mut #gradient)
            }
            _ => quote!(&mut #name),
        }
    }

    /// The complete adjoint of a result as a tensor.
    fn complete(&self, v: ValueId, results: &[ValueId], plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let name = self.method.adjoint(v);
        match self.states.get(&v) {
            Some(State::Tensor) => quote!(#name),
            Some(State::Adjoint) if self.is_made(v) || self.is_open(v, results) => quote!(#name), // see `guarded`
            Some(State::Adjoint) if !self.method.derivative.sure[v] => match plan.shapes.iter().find(|(known, _)| *known == v) {
                Some((_, field)) => quote!(#name.into_tensor(cx, #saved.#field)?),
                None => quote!(#name.into_sum(::core::stringify!(#name))?),
            },
            Some(State::Adjoint) => {
                let text = &self.method.value(v).name;
                quote!(#name.into_sum(#text)?)
            }
            // Nothing depends on it.
            None => match plan.shapes.iter().find(|(known, _)| *known == v) {
                Some((_, field)) => quote!(cx.zeros(#saved.#field)?),
                None => quote!(cx.zeros([])?),
            },
        }
    }

    /// Whether what makes a value makes its adjoint, too, and gets that back: see `#[adjoint]`.
    fn is_made(&self, v: ValueId) -> bool {
        let derivative = self.method.derivative;
        let handed_on = self.method.function.adjoint && self.method.program.outputs.contains(&v);
        (handed_on || derivative.learned[v] && derivative.sure[v]) && self.method.made_adjoint(v, &self.saved).is_some()
    }

    /// Whether a result's adjoint may turn out to be empty, so that its instruction is skipped: it depends on arguments alone and nobody
    /// needs theirs, or it is read in loops alone and they have no turn. (One of several results is zero then: see `complete`.)
    fn is_open(&self, v: ValueId, results: &[ValueId]) -> bool {
        let derivative = self.method.derivative;
        self.states.get(&v) == Some(&State::Adjoint)
            && !self.is_made(v)
            && (!derivative.learned[v] || (!derivative.sure[v] && results.len() == 1))
    }

    /// Skips `code` where a result has no adjoint.
    fn guarded(&self, results: &[ValueId], code: TokenStream) -> TokenStream {
        let names: Vec<Ident> = results.iter().filter(|v| self.is_open(**v, results)).map(|v| self.method.adjoint(*v)).collect();
        match names.as_slice() {
            [] => code,
            [one] => quote!(if let Some(#one) = #one.into_option() { #code }),
            _ => quote!(if let (#(Some(#names)),*) = (#(#names.into_option()),*) { #code }),
        }
    }

    fn instruction(&mut self, instruction: &Instruction, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let method = self.method;
        let field = names::ident(&instruction.saved);
        match &instruction.op {
            Op::Loop(l) => self.for_loop(l, instruction, plan, saved),
            Op::Kernel(forward) => self.kernel(instruction.results[0], forward, plan, saved),
            Op::Layer { method: called, .. } => {
                let Some((function, callee)) = method.callee(&instruction.op) else { return quote!() };
                let called = names::backward(called);
                let place = match &instruction.op {
                    Op::Layer { target: Target::Field(f) | Target::Element { field: f, .. }, .. } => {
                        method.model.fields[*f].name.to_string()
                    }
                    _ => called.to_string(),
                };
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
                    Op::Concat(_) => quote!(&mut [#(#targets),*]),
                    _ => quote!(#(#targets),*),
                };
                let call = quote!(#module::backward(cx, #saved.#field, #d_result, #targets)?; #after);
                let call = self.guarded(&instruction.results, call);
                quote!(#before #call)
            }
        }
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

    fn kernel(&mut self, result: ValueId, forward: &Kernel, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let method = self.method;
        let Some(kernel) = method.derivative.kernels.get(&result) else { return quote!() };
        let d_result = method.adjoint(result);
        let complete = self.complete(result, &[result], plan, saved);
        let guarded = self.is_open(result, &[result]);
        let take = (self.states.get(&result) != Some(&State::Tensor) && !guarded).then(|| quote!(let #d_result = #complete;));
        let (mut declarations, mut lines) = (quote!(), quote!());
        let same_shape = |v: ValueId| method.value(v).shape == method.value(result).shape;
        let shape = |v: ValueId| -> TokenStream {
            if same_shape(v) {
                return quote!(*#d_result.shape());
            }
            match method.value(v).role {
                Role::Parameter { field, .. } => {
                    let field = &method.model.fields[field].name;
                    quote!(*self.#field.shape())
                }
                _ => match plan.shapes.iter().find(|(known, _)| *known == v) {
                    Some((_, field)) => quote!(#saved.#field),
                    None => quote!(*#d_result.shape()),
                },
            }
        };
        if !kernel.computed.is_empty() {
            let numbers: Vec<TokenStream> = kernel.numbers.iter().map(|i| forward.numbers[*i].clone()).collect();
            let name = super::kernel::emit_backward(method, result, forward, kernel);
            let numbers = numbers.iter().map(|n| match plan.kept_number(n) {
                Some(field) => quote!(#saved.#field),
                None => n.clone(),
            });
            let targets: Vec<TokenStream> = kernel
                .computed
                .iter()
                .map(|(v, _)| {
                    declarations.extend(self.declare(*v));
                    let (target, shape) = (self.target(*v), shape(*v));
                    quote!((#target, #shape))
                })
                .collect();
            let reads = kernel.reads.iter().map(|r| match r {
                crate::differentiate::Read::Gradient => quote!(&#d_result),
                crate::differentiate::Read::Value(v) => match method.value(*v).role {
                    Role::Parameter { field, .. } => {
                        let field = &method.model.fields[field].name;
                        quote!(&cx.sample(&self.#field)?)
                    }
                    _ => {
                        let field = plan.tensors.iter().find(|(known, _)| known == v).map(|(_, field)| field);
                        quote!(&#saved.#field)
                    }
                },
            });
            lines.extend(quote! {
                ivon::ops::pointwise::backward(cx, #name, *#d_result.shape(), [#(#reads),*], [#(#numbers),*], [#(#targets),*])?;
            });
        }
        // Gradients that are d_result itself are shared, not copied.
        let mut moved = false;
        for (i, v) in kernel.passes.iter().enumerate() {
            let last = i + 1 == kernel.passes.len();
            if !same_shape(*v) {
                declarations.extend(self.declare(*v));
                let (target, shape) = (self.target(*v), shape(*v));
                lines.extend(quote!(ivon::ops::pointwise::pass_through(cx, &#d_result, #target, #shape)?;));
                continue;
            }
            let contribution = if last { quote!(#d_result) } else { quote!(#d_result.clone()) };
            moved |= last;
            let name = method.adjoint(*v);
            let local = matches!(method.value(*v).role, Role::Local | Role::Carried);
            lines.extend(match self.states.get(v) {
                None if local && method.derivative.learned[*v] => {
                    self.states.insert(*v, State::Adjoint);
                    quote!(let mut #name = ivon::Adjoint::of(#contribution);)
                }
                _ => {
                    declarations.extend(self.declare(*v));
                    let target = self.target(*v);
                    let target = if local || method.value(*v).role == Role::Input { quote!(#name) } else { quote!((#target)) };
                    quote!(#target.add(cx, #contribution)?;)
                }
            });
        }
        let end = (!moved).then(|| quote!(drop(#d_result);));
        let lines = self.guarded(&[result], quote!(#lines #end));
        quote!(#take #declarations #lines)
    }

    fn for_loop(&mut self, l: &Loop, instruction: &Instruction, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let method = self.method;
        let mut before = quote!();
        for v in l.captured() {
            if method.active(v) {
                before.extend(self.declare(v));
            }
        }
        let carried: Vec<(&Carried, ValueId)> = l
            .carried
            .iter()
            .zip(&instruction.results)
            .map(|(c, r)| (c, *r))
            .filter(|(c, _)| method.active(c.turn) || method.active(c.next))
            .collect();
        for (_, result) in &carried {
            let name = method.adjoint(*result);
            if self.states.contains_key(result) {
                before.extend(self.declare(*result));
            } else {
                let zeros = self.complete(*result, &[*result], plan, saved);
                before.extend(quote!(let mut #name = ivon::Adjoint::of(#zeros);));
            }
        }
        // In a turn, the adjoint of what the turn leaves is taken, and that of what it began with is born.
        // All are taken before any is handed on: a turn may rebind one carried value to another (`a = b; b = c;`).
        let (mut take, mut hand_on) = (quote!(), quote!());
        for (c, _) in &carried {
            let (d_turn, d_next) = (method.adjoint(c.turn), method.adjoint(c.next));
            self.states.insert(c.turn, State::Adjoint);
            let own = l.body.iter().any(|i| i.results.contains(&c.next));
            if c.next == c.turn {
                continue;
            }
            match (own, self.states.get(&c.next)) {
                (true, None) => {
                    self.states.insert(c.next, State::Adjoint);
                    take.extend(quote!(let mut #d_next = ::std::mem::replace(&mut #d_turn, ivon::Adjoint::new());));
                }
                _ => {
                    let (target, taken) = (self.target(c.next), names::ident(&format!("{d_turn}_after")));
                    take.extend(quote!(let #taken = ::std::mem::replace(&mut #d_turn, ivon::Adjoint::new());));
                    hand_on.extend(quote!((#target).merge(cx, #taken)?;));
                }
            }
        }
        let saved_field = names::ident(&instruction.saved);
        let (field, variable) = (&method.model.fields[l.field].name, &l.variable);
        let empty = plan.turns.get(&instruction.saved);
        let body = match empty {
            Some(turn_plan) => self.block(&l.body, turn_plan, &quote!(turn)),
            None => quote!(),
        };
        let mut after = quote!();
        for (c, result) in &carried {
            let d_result = method.adjoint(*result);
            let d_start = method.adjoint(c.start);
            if !method.active(c.start) {
                continue;
            }
            after.extend(match (method.value(c.start).role, self.states.get(&c.start)) {
                (Role::Local | Role::Carried, None) => {
                    self.states.insert(c.start, State::Adjoint);
                    // A loop's value may go by the name of what it started from.
                    (d_start != d_result).then(|| quote!(let mut #d_start = #d_result;))
                }
                _ => {
                    let (declare, target) = (self.declare(c.start), self.target(c.start));
                    Some(quote!(#declare (#target).merge(cx, #d_result)?;))
                }
            });
        }
        quote! {
            #before
            for (#variable, turn) in self.#field.iter().zip(#saved.#saved_field).rev() {
                #take
                #hand_on
                #body
            }
            #after
        }
    }
}
