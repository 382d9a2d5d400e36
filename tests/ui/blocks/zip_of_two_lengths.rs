//! Arrays that are walked together have one length.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
    more: [Linear<W, W>; 2],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut y = x;
        for (a, b) in self.layers.iter().zip(&self.more) {
            y = b.forward(a.forward(y));
        }
        y
    }
}

fn main() {}
