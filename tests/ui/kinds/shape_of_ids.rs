//! Ids keep their shape.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, 1, WIDTH> {
        self.up.forward(self.tokens.forward(ids.slice(1, 0..1)))
    }
}

fn main() {}
