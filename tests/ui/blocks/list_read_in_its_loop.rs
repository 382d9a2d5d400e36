//! A list is not read as a whole while it is filled.
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
            all.push(layer.forward(y));
            y = stack(all, 0).sum(0);
        }
        y
    }
}

fn main() {}
