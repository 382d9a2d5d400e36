//! Dimensions that are neither equal nor 1.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B, T>(&self, x: Tensor<B, T, 4>, mask: Tensor<B, T>, y: Tensor<1, 4>) -> Tensor<B, T, 4> {
        let h = self.up.forward(x);
        let a = h - h.mean(2);
        let b = h * mask;
        let c = h.sum_keep(1) + h.transpose(0, 1);
        h * y
    }
    pub fn rest<Rest: Dims>(&self, x: Tensor<Rest, 4>, y: Tensor<1, 4>) -> Tensor<Rest, 4> {
        self.up.forward(x) * y
    }
}

fn main() {}
