//! `None` stands for an optional argument only.
use ivon_runtime::{ops::linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    weight: Parameter<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        linear(x, None, None) + linear(x, self.weight, None)
    }
}

fn main() {}
