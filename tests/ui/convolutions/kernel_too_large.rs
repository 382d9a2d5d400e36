//! A kernel fits the padded image, where its size is known: here 28, 24, 12, 3 pixels, and 0.
use ivon_runtime::{layers::Conv2d, ops::max_pool2d, prelude::*};

#[variational]
pub struct Model {
    first: Conv2d<1, 6, 5>,
    second: Conv2d<6, 16, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 28, 28, 1>) -> Tensor<B, 1, 1, 16> {
        let small = max_pool2d::<2, 2, 0>(self.first.forward(x));
        self.second.forward(max_pool2d::<4, 4, 0>(small))
    }
}

fn main() {}
