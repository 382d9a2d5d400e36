//! A model has no lifetimes.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<'a, const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<'a, const WIDTH: usize> Model<'a, WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
