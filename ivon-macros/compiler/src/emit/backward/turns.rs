//! The backward pass of a loop: its iterations from the last to the first.

use super::{Backward, SavedPlan, State};
use crate::emit::blocks::{layers_at, walked};
use crate::emit::dimension;
use crate::emit::saved::is_local;
use crate::ir::*;
use crate::names;
use proc_macro2::TokenStream;
use quote::quote;

impl Backward<'_> {
    pub(super) fn for_loop(&mut self, l: &Loop, instruction: &Instruction, plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
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
        // An iteration takes the adjoints of the values that it leaves, and creates those of the values that it began with.
        // All are taken before any is handed on: an iteration may rebind one carried value to another (`a = b; b = c;`).
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
        let head = self.head(l, instruction, saved);
        let layers = layers_at(method, l);
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
            #head {
                #layers
                #take
                #hand_on
                #body
            }
            #after
        }
    }

    /// The head of the loop, which goes over what each iteration has kept, too.
    fn head(&self, l: &Loop, instruction: &Instruction, saved: &TokenStream) -> TokenStream {
        let field = names::ident(&instruction.saved);
        let Some(Counter { index, start, reversed, .. }) = &l.counter else {
            let (pattern, arrays) = walked(self.method, l);
            return quote!(for (#pattern, turn) in #arrays.zip(#saved.#field).rev());
        };
        let start = match is_local(self.method, start) {
            true => {
                let start = names::ident(&names::start(&instruction.saved));
                quote!(#saved.#start)
            }
            false => dimension(start),
        };
        let range = match start.to_string().as_str() {
            "0" => quote!((0..#saved.#field.len())),
            _ => quote!((#start..#start + #saved.#field.len())),
        };
        let reversed = reversed.then(|| quote!(.rev()));
        quote!(for (#index, turn) in #range #reversed.zip(#saved.#field).rev())
    }
}
