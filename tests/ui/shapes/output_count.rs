//! As many results as the signature promises.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> (Tensor<B, T, { 4 * WIDTH }>, Tensor<B, T, WIDTH>) {
        self.up.forward(x)
    }
}

fn main() {}
