//! A kernel has no default.
use ivon_runtime::{layers::Conv2d, prelude::*};

#[variational]
pub struct Model {
    conv: Conv2d<3, 16>,
}

#[variational]
impl Model {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, 3>) -> Tensor<B, H, W, 16> {
        self.conv.forward(x)
    }
}

fn main() {}
