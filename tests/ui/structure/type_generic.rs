//! Generics of a model are dimensions and flags.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<Layer, const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<Layer, const WIDTH: usize> Model<Layer, WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
