//! `concat` takes a list and an axis; `reshape` a list; `slice` an axis and a range.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        concat(x, x) + self.up.forward(x).reshape(B, T, WIDTH) + x.slice(0..T) + x.slice(1, 0..=T)
    }
}

fn main() {}
