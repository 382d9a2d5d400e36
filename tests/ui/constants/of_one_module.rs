//! Constants that happen to differ: rustc knows their values.
use ivon_runtime::{layers::Linear, prelude::*};

const WIDTH: usize = 16;
const HIDDEN: usize = 64;

#[variational]
pub struct Model {
    up: Linear<WIDTH, HIDDEN>,
    down: Linear<{ 3 * WIDTH }, WIDTH>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.down.forward(self.up.forward(x))
    }
}

fn main() {}
