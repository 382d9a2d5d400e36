//! Layers are made by `new`, and not compared.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
#[derive(Clone, Default, PartialEq)]
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
