//! Names that generated code gives to what makes a model.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn new<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    pub fn build<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    pub fn build_in<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
}

fn main() {}
