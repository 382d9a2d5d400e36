//! A field's type is a model.
use ivon_runtime::{layers::Linear, prelude::*};

pub struct History {
    pub losses: Vec<f64>,
}

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
    history: History,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
