//! An `if` asks for a flag.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let y = self.layers[0].forward(self.layers[1].forward(self.layers[2].forward(x)));
        if y { y } else { x }
    }
}

fn main() {}
