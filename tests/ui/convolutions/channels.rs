//! The second convolution sees as many channels as the first one makes.
use ivon_runtime::{layers::Conv2d, prelude::*};

#[variational]
pub struct Model {
    first: Conv2d<3, 16, 3>,
    second: Conv2d<32, 64, 3>,
}

#[variational]
impl Model {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, 3>) -> Tensor<B, { H - 4 }, { W - 4 }, 64> {
        self.second.forward(self.first.forward(x))
    }
}

fn main() {}
