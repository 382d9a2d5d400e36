//! Floors and divisions that are not what is promised, and dimensions that cannot be solved for.
use ivon_runtime::layers::{Conv2d, Linear};
use ivon_runtime::prelude::*;

#[variational]
pub struct Net<const SIZE: usize, const PATCH: usize> {
    patches: Conv2d<3, 8, PATCH, PATCH>,
    first: Conv2d<8, 8, 3, 2, 1>,
    head: Linear<{ SIZE / 2 }, 8>,
}

#[variational]
impl<const SIZE: usize, const PATCH: usize> Net<SIZE, PATCH> {
    pub fn patches<B>(&self, x: Tensor<B, SIZE, SIZE, 3>) -> Tensor<B, { SIZE / PATCH }, { SIZE / PATCH + 1 }, 8> {
        self.patches.forward(x)
    }
    pub fn quarter<B>(&self, x: Tensor<B, SIZE, SIZE, 8>) -> Tensor<B, { SIZE / 2 }, { SIZE / 3 }, 8> {
        self.first.forward(x)
    }
    pub fn two<B, H, W>(&self, x: Tensor<B, { H * H }, { H + W }>, y: Tensor<B, { SIZE / 2 }>) -> Tensor<B, 8> {
        self.head.forward(y)
    }
}

fn main() {}
