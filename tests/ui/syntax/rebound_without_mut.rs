//! What a loop rebinds is `mut`.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    layers: [Linear<WIDTH, WIDTH>; 2],
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let y = x;
        for layer in &self.layers {
            y = layer.forward(y);
        }
        y
    }
}

fn main() {}
