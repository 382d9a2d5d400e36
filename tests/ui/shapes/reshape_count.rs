//! A reshape keeps the number of elements.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize, const HEADS: usize> {
    up: Linear<WIDTH, WIDTH>,
    out: Linear<{ WIDTH / HEADS }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Model<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let heads = self.up.forward(x).reshape([B, T, HEADS, WIDTH]);
        self.out.forward(heads).mean(2)
    }
}

fn main() {}
