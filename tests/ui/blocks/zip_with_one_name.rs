//! `zip` gives pairs.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut y = x;
        for both in self.layers.iter().zip(&self.layers) {
            y = both.forward(y);
        }
        y
    }
}

fn main() {}
