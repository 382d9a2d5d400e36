//! A function takes as many arguments as it says.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
fn swish<Rest: Dims>(x: Tensor<Rest>, beta: f64) -> Tensor<Rest> {
    x * sigmoid(beta * x)
}

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        swish(self.up.forward(x), 1.0, 2.0)
    }
}

fn main() {}
