//! Groups that are known divide the channels.
use ivon_runtime::{ops::conv2d, prelude::*};

#[variational]
pub struct Model {
    weight: Parameter<8, 3, 3, 2>,
}

#[variational]
impl Model {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, 8>) -> Tensor<B, H, W, 8> {
        conv2d::<3, 1, 1, 1, 3>(x, self.weight, None)
    }
}

fn main() {}
