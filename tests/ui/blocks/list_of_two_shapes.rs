//! The tensors of a list have one shape.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut all = Vec::new();
        for layer in &self.layers {
            all.push(layer.forward(x));
        }
        all.push(x.at(1, 0));
        stack(all, 0).sum(0)
    }
}

fn main() {}
