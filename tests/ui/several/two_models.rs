//! Each wrong model is reported, whatever the other.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct First<const WIDTH: usize> {
    up: Linear<WIDTH, { 2 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> First<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.up.forward(x)
    }
}

#[variational]
pub struct Second<const WIDTH: usize> {
    first: First<{ 2 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> Second<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.first.forward(x)
    }
}

fn main() {}
