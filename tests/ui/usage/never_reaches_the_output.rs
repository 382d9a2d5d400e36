//! A layer whose value is dropped.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
    side: Linear<WIDTH, WIDTH>,
    more: [Linear<WIDTH, WIDTH>; 2],
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let _ = self.side.forward(x);
        let mut unused = x;
        for layer in &self.more {
            unused = layer.forward(unused);
        }
        self.up.forward(x)
    }
}

fn main() {}
