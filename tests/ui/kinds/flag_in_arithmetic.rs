//! Flags in arithmetic.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net<const BIAS: bool> {
    up: Linear<4, 4, BIAS>,
    #[setting(true)]
    on: bool,
}

#[variational]
impl<const BIAS: bool> Net<BIAS> {
    pub fn forward<B>(&self, x: Tensor<B, 4>, causal: bool) -> Tensor<B, 4> {
        let y = self.on * self.up.forward(x);
        let z = 1.0 - BIAS;
        let w = exp(-causal);
        y * z * w + true
    }
}

fn main() {}
