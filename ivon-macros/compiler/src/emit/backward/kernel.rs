//! The backward pass of a pointwise kernel.

use super::{Backward, SavedPlan, State};
use crate::emit::kernel::emit_backward;
use crate::ir::Kernel;
use crate::ir::*;
use proc_macro2::TokenStream;
use quote::quote;

impl Backward<'_> {
    pub(super) fn kernel(&mut self, result: ValueId, forward: &Kernel, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
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
            let name = emit_backward(method, result, forward, kernel);
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
                // Within the condition of `guarded` it would be gone after it.
                None if local && method.derivative.learned[*v] && !guarded => {
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
}
