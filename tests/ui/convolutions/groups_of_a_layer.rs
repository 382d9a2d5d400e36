//! Groups that are known divide the channels; nobody has to build the model to learn that they do not.
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
