//! A language model of LSTM cells (Hochreiter and Schmidhuber 1997) over sequences of any length.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::prelude::*;

#[variational]
pub struct Lstm<const IN: usize, const H: usize> {
    input: Linear<IN, { 4 * H }>,
    hidden: Linear<H, { 4 * H }>,
}

#[variational]
impl<const IN: usize, const H: usize> Lstm<IN, H> {
    /// The hidden states of all steps.
    pub fn forward<B, T>(&self, x: Tensor<B, T, IN>) -> Tensor<B, T, H> {
        let mut h = zeros([B, H]);
        let mut c = zeros([B, H]);
        let mut states = Vec::new();
        for t in 0..T {
            let gates = self.input.forward(x.at(1, t)) + self.hidden.forward(h);
            let i = sigmoid(gates.slice(1, 0..H));
            let f = sigmoid(gates.slice(1, H..2 * H));
            let g = tanh(gates.slice(1, 2 * H..3 * H));
            let o = sigmoid(gates.slice(1, 3 * H..4 * H));
            c = f * c + i * g;
            h = o * tanh(c);
            states.push(h);
        }
        stack(states, 1)
    }
}

#[variational]
pub struct LanguageModel<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    first: Lstm<WIDTH, WIDTH>,
    second: Lstm<WIDTH, WIDTH>,
    head: Linear<WIDTH, VOCAB>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> LanguageModel<VOCAB, WIDTH> {
    pub fn loss<B, T>(&self, tokens: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let h = self.second.forward(self.first.forward(self.tokens.forward(tokens)));
        cross_entropy(self.head.forward(h), targets)
    }
}

/// Four sequences of nine tokens.
pub fn example() -> impl Example {
    Batch::new(LanguageModel::<11, 8>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("tokens", 11, [4, 9])?, &ids("targets", 11, [4, 9])?)
    })
    .from(1.0)
}
