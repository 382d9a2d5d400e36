//! A struct that is no Rust says nothing of its impl.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net<const WIDTH: usize> {
    up: Linear<WIDTH, 4 * WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Net<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, { 4 * WIDTH }> {
        self.up.forward(x)
    }
}

fn main() {}
