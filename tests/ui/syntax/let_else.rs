//! There is no `let else`.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let y = self.up.forward(x) else { return x };
        y
    }
}

fn main() {}
