//! What they are called here.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    layers: Sequential,
    conv: BatchNorm1d<4>,
    activation: ReLU,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.activation.forward(self.conv.forward(self.layers.forward(x)))
    }
}

fn main() {}
