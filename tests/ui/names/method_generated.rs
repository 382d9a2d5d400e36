//! Names that generated code gives to what belongs to another method.
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
    pub fn forward_saving<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    pub fn forward_backward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
    pub fn loss<B>(&self, x: Tensor<B, 4>) -> Tensor {
        self.up.forward(x).mean()
    }
    pub fn loss_gradient<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x)
    }
}

fn main() {}
