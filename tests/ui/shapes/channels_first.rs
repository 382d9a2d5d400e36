//! Images have their channels last.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    conv: Conv2d<3, 8, 3, 1, 1>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 3, 32, 32>) -> Tensor<B, 8, 32, 32> {
        self.conv.forward(x)
    }
}

fn main() {}
