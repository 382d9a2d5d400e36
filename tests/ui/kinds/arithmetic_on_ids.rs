//! There is no arithmetic on ids.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, WIDTH> {
        self.up.forward(self.tokens.forward(2.0 * ids))
    }
}

fn main() {}
