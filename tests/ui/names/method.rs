//! A method that a layer does not have.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, WIDTH> {
        self.up.foward(self.tokens.forward(ids))
    }
}

fn main() {}
