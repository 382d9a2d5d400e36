//! A tied head has the width of the embedding.
use ivon_runtime::{layers::{Embedding, Linear}, prelude::*};

#[variational]
pub struct Model<const VOCAB: usize, const WIDTH: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    up: Linear<WIDTH, { 2 * WIDTH }>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize> Model<VOCAB, WIDTH> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, VOCAB> {
        let x = self.tokens.forward(ids);
        self.tokens.attend(self.up.forward(x))
    }
}

fn main() {}
