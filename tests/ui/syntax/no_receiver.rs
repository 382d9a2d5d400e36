//! A method of a model takes `&self`.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x
    }
}

fn main() {}
