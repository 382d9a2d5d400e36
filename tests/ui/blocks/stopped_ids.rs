//! Ids have no gradient.
use ivon_runtime::{layers::Embedding, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    tokens: Embedding<10, W>,
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, W> {
        self.tokens.forward(ids.detach())
    }
}

fn main() {}
