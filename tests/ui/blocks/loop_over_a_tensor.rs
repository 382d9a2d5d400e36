//! A loop does not go over a tensor.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 1],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, W> {
        let mut y = self.layers[0].forward(x.at(1, 0));
        for step in x {
            y = y + step;
        }
        y
    }
}

fn main() {}
