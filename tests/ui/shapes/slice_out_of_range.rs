//! A slice lies in its dimension.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let wide = self.up.forward(x);
        wide.slice(2, 0..2 * WIDTH).slice(2, 0..WIDTH) + wide.slice(2, 1..WIDTH + 1)
    }
}

fn main() {}
