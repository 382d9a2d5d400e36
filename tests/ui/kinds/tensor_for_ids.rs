//! An embedding takes ids.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T>) -> Tensor<B, T, WIDTH> {
        self.up.forward(self.tokens.forward(x))
    }
}

fn main() {}
