//! A model does not contain itself.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Tree<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
    inner: Tree<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Tree<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.inner.forward(self.up.forward(x))
    }
}

fn main() {}
