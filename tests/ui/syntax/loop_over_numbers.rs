//! A loop goes over layers, ranges and lists, not over numbers that are listed.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let mut y = x;
        for step in [0.1, 0.2, 0.3] {
            y = self.up.forward(y);
        }
        y
    }
}

fn main() {}
