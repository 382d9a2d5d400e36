//! A function that is not annotated.
use ivon_runtime::{layers::Linear, prelude::*};

fn twice(x: Tensor) -> Tensor {
    x
}

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        twice(self.up.forward(x))
    }
}

fn main() {}
