//! Two symbolic dimensions are not the same.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T, S>(&self, x: Tensor<B, T, WIDTH>, y: Tensor<B, S, WIDTH>) -> Tensor<B, T, WIDTH> {
        x + self.up.forward(y)
    }
}

fn main() {}
