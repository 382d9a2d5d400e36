//! Dimensions of a method come from its arguments; a function is called by its path.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward::<4>(x) + <Linear>::relu(x)
    }
}

fn main() {}
