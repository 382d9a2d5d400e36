//! rustc does not accept computed dimensions; it is not asked.
use ivon_runtime::{layers::*, ops::*, prelude::*};

pub struct Net<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Net<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.down.forward(gelu(self.up.forward(x)))
    }
}

fn main() {}
