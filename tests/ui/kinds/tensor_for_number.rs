//! The rate of dropout is a number.
use ivon_runtime::{layers::Linear, ops::dropout, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        dropout(self.up.forward(x), x)
    }
}

fn main() {}
