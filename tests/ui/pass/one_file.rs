//! A file that is two modules: see `twice.rs`.
use ivon_runtime::{layers::Linear, ops::gelu, prelude::*};

#[variational]
pub struct Mlp<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Mlp<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.down.forward(gelu(self.up.forward(x)))
    }
}
