//! Ids are not transposed.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<T, B, WIDTH> {
        self.up.forward(self.tokens.forward(ids.transpose(0, 1)))
    }
}

fn main() {}
