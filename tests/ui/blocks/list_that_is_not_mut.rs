//! A list that is filled is `mut`.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let all = Vec::new();
        for layer in &self.layers {
            all.push(layer.forward(x));
        }
        stack(all, 0).sum(0)
    }
}

fn main() {}
