//! A layer is called by a method.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.down(self.up(x))
    }
}

fn main() {}
