//! The life of an adjoint: where it is born, what is added to it, and when it is complete.

use super::{Backward, SavedPlan, gradient};
use crate::ir::*;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// The content of the variable `d_x` at a point of the backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A tensor: the adjoint of an output, to which nothing else was added.
    Tensor,
    /// An `Adjoint`.
    Adjoint,
}

impl Backward<'_> {
    /// Declares the adjoint of a local value, if this is its first contribution.
    pub(super) fn declare(&mut self, v: ValueId) -> TokenStream {
        let name = self.method.adjoint(v);
        let ty = match self.method.value(v).kind {
            Kind::List => quote!(ivon::Adjoints),
            _ => quote!(ivon::Adjoint),
        };
        match (self.method.value(v).role, self.states.get(&v)) {
            (Role::Local | Role::Carried, None) => {
                self.states.insert(v, State::Adjoint);
                let born = match self.method.derivative.learned[v] {
                    true if self.is_made(v) => self.method.made_adjoint(v, &self.saved).unwrap_or_default(),
                    true => quote!(#ty::new()),
                    // It depends on arguments alone: it is needed only if one of their adjoints is.
                    false => {
                        let wanted = self.method.tensor_inputs().map(|i| {
                            let d_input = self.method.adjoint(i);
                            quote!(#d_input.wanted())
                        });
                        quote!(#ty::when(#(#wanted)||*))
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
    pub(super) fn target(&self, v: ValueId) -> TokenStream {
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
    pub(super) fn complete(&self, v: ValueId, results: &[ValueId], plan: &SavedPlan, saved: &TokenStream) -> TokenStream {
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

    /// True if what makes a value makes its adjoint, too, and gets that back: see `#[adjoint]`.
    pub(super) fn is_made(&self, v: ValueId) -> bool {
        let derivative = self.method.derivative;
        let handed_on = self.method.function.adjoint && self.method.program.outputs.contains(&v);
        (handed_on || derivative.learned[v] && derivative.sure[v]) && self.method.made_adjoint(v, &self.saved).is_some()
    }

    /// True if a result's adjoint may be empty at run time, so that its instruction is skipped: it depends on arguments alone and their
    /// adjoints are not needed, or it is read in loops alone and they have no iteration. (One of several results is zero then: see `complete`.)
    pub(super) fn is_open(&self, v: ValueId, results: &[ValueId]) -> bool {
        let derivative = self.method.derivative;
        self.states.get(&v) == Some(&State::Adjoint)
            && !self.is_made(v)
            && (!derivative.learned[v] || (!derivative.sure[v] && results.len() == 1))
    }

    /// Skips `code` where a result has no adjoint.
    pub(super) fn guarded(&self, results: &[ValueId], code: TokenStream) -> TokenStream {
        let names: Vec<Ident> = results.iter().filter(|v| self.is_open(**v, results)).map(|v| self.method.adjoint(*v)).collect();
        match names.as_slice() {
            [] => code,
            [one] => quote!(if let Some(#one) = #one.into_option() { #code }),
            _ => quote!(if let (#(Some(#names)),*) = (#(#names.into_option()),*) { #code }),
        }
    }
}
