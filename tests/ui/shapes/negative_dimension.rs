//! One dimension of a reshape may be left open.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.down.forward(self.up.forward(x.reshape([-1, 4])))
    }
}

fn main() {}
