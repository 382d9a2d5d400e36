//! A place beyond the end of an axis.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B>(&self, x: Tensor<B, 4, W>) -> Tensor<B, W> {
        self.layers[0].forward(x.at(1, 4)) + self.layers[1].forward(x.at(1, 0)) + self.layers[2].forward(x.at(1, 1))
    }
}

fn main() {}
