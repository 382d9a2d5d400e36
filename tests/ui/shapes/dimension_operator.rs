//! Dimensions are added, subtracted, multiplied and divided.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, { WIDTH % 2 }>,
    down: Linear<{ WIDTH << 1 }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.down.forward(self.up.forward(x))
    }
}

fn main() {}
