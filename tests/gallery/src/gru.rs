//! An encoder and decoder of GRU cells (Cho et al. 2014).

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::prelude::*;

#[variational]
pub struct Gru<const IN: usize, const H: usize> {
    input: Linear<IN, { 3 * H }>,
    hidden: Linear<H, { 3 * H }>,
}

#[variational]
impl<const IN: usize, const H: usize> Gru<IN, H> {
    pub fn step<B>(&self, x: Tensor<B, IN>, h: Tensor<B, H>) -> Tensor<B, H> {
        let x = self.input.forward(x);
        let old = self.hidden.forward(h);
        let r = sigmoid(x.slice(1, 0..H) + old.slice(1, 0..H));
        let z = sigmoid(x.slice(1, H..2 * H) + old.slice(1, H..2 * H));
        let n = tanh(x.slice(1, 2 * H..3 * H) + r * old.slice(1, 2 * H..3 * H));
        (1.0 - z) * n + z * h
    }
}

#[variational]
pub struct Translator<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    encoder: Gru<WIDTH, WIDTH>,
    decoder: Gru<{ 2 * WIDTH }, WIDTH>,
    head: Linear<WIDTH, VOCAB>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Translator<VOCAB, WIDTH> {
    /// The last state of the encoder is the first of the decoder, and an input of each of its steps.
    pub fn loss<B, S, T>(&self, source: Ids<B, S>, shifted: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let source = self.tokens.forward(source);
        let mut summary = zeros([B, WIDTH]);
        for s in 0..S {
            summary = self.encoder.step(source.at(1, s), summary);
        }
        let shifted = self.tokens.forward(shifted);
        let mut h = summary;
        let mut states = Vec::new();
        for t in 0..T {
            h = self.decoder.step(concat([shifted.at(1, t), summary], 1), h);
            states.push(h);
        }
        cross_entropy(self.head.forward(stack(states, 1)), targets)
    }
}

/// Three sentences of six tokens, and translations of five.
pub fn example() -> impl Example {
    Batch::new(Translator::<11, 8>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("source", 11, [3, 6])?, &ids("shifted", 11, [3, 5])?, &ids("targets", 11, [3, 5])?)
    })
}
