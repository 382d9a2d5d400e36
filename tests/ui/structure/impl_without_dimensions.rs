//! The impl names the dimensions of the struct.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 64>) -> Tensor<B, 64> {
        self.up.forward(x)
    }
}

fn main() {}
