//! A list that nothing is pushed to.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut all = Vec::new();
        let mut y = x;
        for layer in &self.layers {
            y = layer.forward(y);
        }
        y + stack(all, 0).sum(0)
    }
}

fn main() {}
