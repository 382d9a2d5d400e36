//! An adaptor that the language does not have.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut y = x;
        for pair in self.layers.chunks(2) {
            y = pair.forward(y);
        }
        y
    }
}

fn main() {}
