//! A layer that does not exist.
use ivon_runtime::{layers, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: layers::Linaer<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
