//! A value that a loop rebinds keeps its shape.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    wider: [Linear<WIDTH, { 2 * WIDTH }>; 3],
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, { 2 * WIDTH }> {
        let mut y = x;
        for layer in &self.wider {
            y = layer.forward(y);
        }
        y
    }
}

fn main() {}
