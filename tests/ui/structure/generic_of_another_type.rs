//! Const generics are `usize` or `bool`.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: u32> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: u32> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
