//! A flag where a number is needed, and the reverse.
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::dropout;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net<const BIAS: bool> {
    up: Linear<4, 4, BIAS>,
}

#[variational]
impl<const BIAS: bool> Net<BIAS> {
    pub fn scaled<B>(&self, x: Tensor<B, 4>, scale: f64, on: bool) -> Tensor<B, 4> {
        other(scale * self.up.forward(x), on)
    }
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.scaled(dropout(x, BIAS), true, 2.0)
    }
}

#[variational]
pub fn other<Rest: Dims>(x: Tensor<Rest>, _on: bool) -> Tensor<Rest> {
    dropout(x, 0.5)
}

fn main() {}
