//! The runtime has one of a similar name.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linaer<4, 8>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 8> {
        self.up.forward(x)
    }
}

fn main() {}
