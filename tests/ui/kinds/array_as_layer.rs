//! The layers of an array are called one by one.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    blocks: [Linear<WIDTH, WIDTH>; 2],
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.blocks.forward(x)
    }
}

fn main() {}
