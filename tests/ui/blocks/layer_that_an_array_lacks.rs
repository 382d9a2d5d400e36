//! A place beyond the end of an array.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let y = self.layers[0].forward(x);
        self.layers[3].forward(y)
    }
}

fn main() {}
