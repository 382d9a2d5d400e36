//! A layer has as many dimensions as its struct.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH>,
    side: Linear<WIDTH, WIDTH, true, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x) + self.side.forward(x)
    }
}

fn main() {}
