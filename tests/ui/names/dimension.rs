//! A dimension that is not declared.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, S, WIDTH>) -> Tensor<B, S, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
