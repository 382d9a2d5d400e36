//! A single value is no tuple.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let (a, b) = self.up.forward(x);
        a + b
    }
}

fn main() {}
