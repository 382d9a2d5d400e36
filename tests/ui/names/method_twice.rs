//! Two methods of one name.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
}

fn main() {}
