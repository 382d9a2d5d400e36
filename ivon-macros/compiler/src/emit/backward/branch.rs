//! The backward pass of a branch: that of the block that was executed.

use super::{Backward, SavedPlan, State};
use crate::ir::*;
use crate::names;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

impl Backward<'_> {
    pub(super) fn branch(&mut self, b: &Branch, instruction: &Instruction, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
        let method = self.method;
        let Some(sides) = plan.sides.get(&instruction.saved) else { return quote!() };
        let mut before = quote!();
        for v in b.captured() {
            if method.active(v) {
                before.extend(self.declare(v));
            }
        }
        // The adjoints of the results as they are: a block hands each on to what it has made of it.
        let results: Vec<(usize, ValueId)> =
            instruction.results.iter().copied().enumerate().filter(|(_, r)| self.states.contains_key(r)).collect();
        for (_, result) in &results {
            before.extend(self.declare(*result));
        }
        let (field, [then_plan, otherwise_plan]) = (names::ident(&instruction.saved), sides);
        let then = self.side(&b.then, &results, then_plan);
        let otherwise = self.side(&b.otherwise, &results, otherwise_plan);
        let then = match &b.condition {
            Condition::Flag(_) => quote!({ #then }),
            // It is there: the forward pass has used it.
            Condition::Present { field, variable } => {
                let field = &method.model.fields[*field].name;
                quote!(if let Some(#variable) = &self.#field { #then })
            }
        };
        quote! {
            #before
            match #saved.#field {
                ivon::Either::Then(branch) => #then
                ivon::Either::Else(branch) => { #otherwise }
            }
        }
    }

    fn side(&mut self, block: &Block, results: &[(usize, ValueId)], plan: &SavedPlan) -> TokenStream {
        let method = self.method;
        let mut lines = quote!();
        for (i, result) in results {
            let v = block.results[*i];
            if !method.active(v) {
                continue;
            }
            let (d_result, d_v): (Ident, Ident) = (method.adjoint(*result), method.adjoint(v));
            let own = block.body.iter().any(|i| i.results.contains(&v));
            match (own, self.states.get(&v)) {
                (true, None) => {
                    self.states.insert(v, State::Adjoint);
                    // A block may make its value by the name of the result.
                    lines.extend((d_v != d_result).then(|| quote!(let mut #d_v = #d_result;)));
                }
                _ => {
                    let target = self.target(v);
                    lines.extend(quote!((#target).merge(cx, #d_result)?;));
                }
            }
        }
        let body = self.block(&block.body, plan, &quote!(branch));
        quote!(#lines #body)
    }
}
