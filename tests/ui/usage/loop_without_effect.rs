//! A loop that rebinds nothing.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
    more: [Linear<WIDTH, WIDTH>; 2],
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        for layer in &self.more {
            let y = layer.forward(x);
        }
        self.up.forward(x)
    }
}

fn main() {}
