//! A derive sees only what stands below it.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[derive(Clone, Debug)]
// Comments may stand between.
#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.down.forward(relu(self.up.forward(x)))
    }
}

fn main() {}
