//! A parameter that is read through `stop_gradient` alone.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    up: Linear<W, W>,
    target: Linear<W, W>,
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        self.up.forward(x) + stop_gradient(self.target.forward(x))
    }
}

fn main() {}
