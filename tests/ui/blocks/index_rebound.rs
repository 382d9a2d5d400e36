//! The number of an iteration is no tensor.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut y = x;
        for i in 0..3 {
            y = self.layers[i].forward(y) + i;
            i = y;
        }
        y
    }
}

fn main() {}
