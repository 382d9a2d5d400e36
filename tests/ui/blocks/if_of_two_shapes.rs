//! Both sides of an `if` have one shape.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize, const DEEP: bool> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize, const DEEP: bool> Model<W, DEEP> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let y = self.layers[0].forward(self.layers[1].forward(self.layers[2].forward(x)));
        if DEEP { y } else { y.at(1, 0) }
    }
}

fn main() {}
