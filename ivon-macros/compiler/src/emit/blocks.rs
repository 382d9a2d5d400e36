//! Loops, branches and lists of the forward pass.

use super::forward::Forward;
use super::saved::{SavedPlan, is_local};
use super::{Method, checked_dimension};
use crate::ir::*;
use crate::names;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::BTreeSet;

impl Forward<'_> {
    pub(super) fn for_loop(
        &mut self,
        l: &Loop,
        instruction: &Instruction,
        plan: &SavedPlan,
        dying: &[ValueId],
    ) -> (TokenStream, Vec<ValueId>) {
        let method = self.method;
        let saving = self.saving && method.is_active(instruction);
        let mut moved = vec![];
        let starts: Vec<_> = l
            .carried
            .iter()
            .map(|c| {
                let (name, start) = (method.name(c.turn), method.name(c.start));
                let last = dying.contains(&c.start)
                    && !moved.contains(&c.start)
                    && l.carried.iter().filter(|o| o.start == c.start).count() == 1;
                let captured = l.captured().contains(&c.start);
                if last && !captured {
                    moved.push(c.start);
                    quote!(let mut #name = #start;)
                } else {
                    quote!(let mut #name = #start.clone();)
                }
            })
            .collect();
        let empty = SavedPlan::default();
        let turn_plan = plan.turns.get(&instruction.saved).unwrap_or(&empty);
        let after: BTreeSet<ValueId> = l.carried.iter().map(|c| c.next).collect();
        let body = self.block(&l.body, turn_plan, &after);
        let keep = saving.then(|| {
            let turn = names::turn_struct(method.owner, &method.function.name, &instruction.saved);
            let turns = names::ident(&names::saved_variable(&instruction.saved));
            let fields = turn_plan.initialisers(method);
            quote!(#turns.push(#turn { #fields });)
        });
        let nexts: Vec<_> = l
            .carried
            .iter()
            .map(|c| {
                let name = method.name(c.next);
                let kept = self.saving && turn_plan.keeps(c.next);
                let own = self.is_own(c.next, &l.body) && !kept && l.carried.iter().filter(|o| o.next == c.next).count() == 1;
                if own { quote!(#name) } else { quote!(#name.clone()) }
            })
            .collect();
        let names_: Vec<Ident> = l.carried.iter().map(|c| method.name(c.turn)).collect();
        // Kept values are moved into the iteration's struct, so the next ones are taken before.
        let step = match nexts.as_slice() {
            [] => quote!(),
            [next] => quote!(#(#names_)* = #next;),
            _ => quote!((#(#names_),*) = (#(#nexts),*);),
        };
        let (before, step) = match (&keep, nexts.as_slice()) {
            (Some(_), _) if turn_plan.tensors.iter().any(|(v, _)| l.carried.iter().any(|c| c.turn == *v || c.next == *v)) => {
                let temporaries: Vec<Ident> =
                    l.carried.iter().map(|c| names::ident(&format!("{}_after", method.value(c.turn).name))).collect();
                (quote!(#(let #temporaries = #nexts;)*), quote!(#(#names_ = #temporaries;)*))
            }
            _ => (quote!(), step),
        };
        let turns = saving.then(|| {
            let turns = names::ident(&names::saved_variable(&instruction.saved));
            let capacity = match l.elements.first() {
                Some(element) => {
                    let field = &method.model.fields[element.field].name;
                    quote!(::std::vec::Vec::with_capacity(self.#field.len()))
                }
                None => quote!(::std::vec::Vec::new()),
            };
            quote!(let mut #turns = #capacity;)
        });
        let (bounds, head) = self.head(l, instruction, saving);
        let layers = layers_at(method, l);
        let code = quote! {
            #(#starts)*
            #turns
            #bounds
            #head {
                #layers
                #body
                #before
                #keep
                #step
            }
        };
        (code, moved)
    }

    /// Returns the lines before a loop and its head.
    fn head(&self, l: &Loop, instruction: &Instruction, saving: bool) -> (TokenStream, TokenStream) {
        let Some(Counter { index, start, end, reversed }) = &l.counter else {
            let (pattern, arrays) = walked(self.method, l);
            let arrays = match &l.elements[..] {
                [Element { field, reversed: false, .. }] => {
                    let field = &self.method.model.fields[*field].name;
                    quote!(&self.#field)
                }
                _ => arrays,
            };
            return (quote!(), quote!(for #pattern in #arrays));
        };
        let kept = names::ident(&names::saved_variable(&names::start(&instruction.saved)));
        let keeps = saving && is_local(self.method, start);
        let bounds = keeps.then(|| {
            let start = checked_dimension(start);
            quote!(let #kept = #start;)
        });
        let start = if keeps { quote!(#kept) } else { checked_dimension(start) };
        let end = checked_dimension(end);
        let range = if *reversed { quote!((#start..#end).rev()) } else { quote!(#start..#end) };
        (quote!(#bounds), quote!(for #index in #range))
    }

    /// A block of a branch: what it does, and what it hands on.
    fn side(&mut self, side: &Block, plan: Option<&SavedPlan>, name: &Ident, variant: &str) -> TokenStream {
        let method = self.method;
        let empty = SavedPlan::default();
        let plan_ = plan.unwrap_or(&empty);
        let after: BTreeSet<ValueId> = side.results.iter().copied().collect();
        let body = self.block(&side.body, plan_, &after);
        let results: Vec<TokenStream> = side
            .results
            .iter()
            .enumerate()
            .map(|(i, v)| {
                let (name, again) = (method.name(*v), side.results[i + 1..].contains(v));
                let moved = self.is_own(*v, &side.body) && !again && !(self.saving && plan_.keeps(*v));
                if moved { quote!(#name) } else { quote!(#name.clone()) }
            })
            .collect();
        let kept = plan.map(|plan| {
            let (fields, variant) = (plan.initialisers(method), names::ident(variant));
            quote!(ivon::Either::#variant(#name { #fields }))
        });
        let value = tuple(&results, kept);
        quote!(#body #value)
    }

    pub(super) fn branch(&mut self, b: &Branch, instruction: &Instruction, plan: &SavedPlan) -> TokenStream {
        let method = self.method;
        let sides = plan.sides.get(&instruction.saved).filter(|_| self.saving && method.is_active(instruction));
        let [then, otherwise] =
            ["Then", "Else"].map(|side| names::side_struct(method.owner, &method.function.name, &instruction.saved, side));
        let results: Vec<TokenStream> = instruction
            .results
            .iter()
            .map(|r| {
                let name = method.name(*r);
                quote!(#name)
            })
            .collect();
        let saved = sides.map(|_| {
            let saved = names::ident(&names::saved_variable(&instruction.saved));
            quote!(#saved)
        });
        let pattern = tuple(&results, saved);
        let then = self.side(&b.then, sides.map(|s| &s[0]), &then, "Then");
        let otherwise = self.side(&b.otherwise, sides.map(|s| &s[1]), &otherwise, "Else");
        let condition = match &b.condition {
            Condition::Flag(flag) => flag.clone(),
            Condition::Present { field, variable } => {
                let field = &method.model.fields[*field].name;
                quote!(let Some(#variable) = &self.#field)
            }
        };
        quote!(let #pattern = if #condition { #then } else { #otherwise };)
    }

    /// `list.push(x)`
    pub(super) fn push(&self, instruction: &Instruction, saving: bool, dying: &[ValueId]) -> (TokenStream, Vec<ValueId>) {
        let [Argument::Value(list), Argument::Value(pushed)] = instruction.arguments[..] else { return (quote!(), vec![]) };
        let (list, name) = (self.method.name(list), self.method.name(pushed));
        let moved = dying.contains(&pushed);
        let value = if moved { quote!(#name) } else { quote!(#name.clone()) };
        let saved = names::ident(&names::saved_variable(&instruction.saved));
        let keep = saving.then(|| quote!(let #saved =));
        (quote!(#keep #list.push(#value);), if moved { vec![pushed] } else { vec![] })
    }
}

/// `x`, `(x, y)`, `((x, y), saved)`; nothing is `()`.
fn tuple(results: &[TokenStream], saved: Option<TokenStream>) -> TokenStream {
    let value = match results {
        [one] => quote!(#one),
        _ => quote!((#(#results),*)),
    };
    match saved {
        Some(saved) if results.is_empty() => saved,
        Some(saved) => quote!((#value, #saved)),
        None => value,
    }
}

/// The pattern and the iterator of a loop over arrays alone: `(down, up)` and `self.down.iter().zip(self.up.iter().rev())`.
pub(super) fn walked(method: &Method, l: &Loop) -> (TokenStream, TokenStream) {
    let one = |Element { field, variable, reversed }: &Element| {
        let (field, reversed) = (&method.model.fields[*field].name, reversed.then(|| quote!(.rev())));
        (quote!(#variable), quote!(self.#field.iter()#reversed))
    };
    let all = l
        .elements
        .iter()
        .map(one)
        .reduce(|(pattern, arrays), (variable, array)| (quote!((#pattern, #variable)), quote!(#arrays.zip(#array))));
    all.unwrap_or_default()
}

/// The layers of an iteration that is counted: `let block = &self.blocks[i];`
pub(super) fn layers_at(method: &Method, l: &Loop) -> TokenStream {
    let Some(Counter { index, end, reversed, .. }) = &l.counter else { return quote!() };
    let lets = l.elements.iter().map(|element| {
        let (field, variable) = (&method.model.fields[element.field].name, &element.variable);
        // Arrays that are walked together have one length, which is the counter's end.
        let end = super::dimension(end);
        let place = if element.reversed == *reversed { quote!(#index) } else { quote!((#end) - 1 - #index) };
        quote!(let #variable = &self.#field[#place];)
    });
    quote!(#(#lets)*)
}
