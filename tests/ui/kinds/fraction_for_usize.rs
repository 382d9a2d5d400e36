//! A usize is a whole number that is not negative.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
fn scaled<Rest: Dims>(x: Tensor<Rest>, n: usize) -> Tensor<Rest> {
    x * n
}

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        scaled(self.up.forward(x), 2.5) + scaled(x, -1)
    }
}

fn main() {}
