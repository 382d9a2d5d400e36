//! Known groups divide the channels; this is checked without building the model.
use ivon_runtime::{layers::Conv2d, prelude::*};

#[variational]
pub struct Model {
    grouped: Conv2d<8, 8, 3, 1, 1, 1, 3>,
}

#[variational]
impl Model {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, 8>) -> Tensor<B, H, W, 8> {
        self.grouped.forward(x)
    }
}

fn main() {}
