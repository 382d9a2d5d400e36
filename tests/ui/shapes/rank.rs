//! A matrix product takes as many dimensions as it says.
use ivon_runtime::{layers::Linear, ops::matmul, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let scores = matmul(x, x.transpose(1, 2));
        matmul(scores, self.up.forward(x).mean(1))
    }
}

fn main() {}
