//! Shared weights: one embedding looks tokens up and scores them, and one layer is used twice.

use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::prelude::*;

#[variational]
pub struct Shared<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    mix: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Shared<VOCAB, WIDTH> {
    pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let x = self.tokens.forward(ids);
        let once = tanh(self.mix.forward(x));
        let twice = tanh(self.mix.forward(once));
        cross_entropy(self.tokens.attend(x + twice), targets)
    }
}
