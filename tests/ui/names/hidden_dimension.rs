//! A variable hides a dimension of its name.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>, N: f64) -> Tensor<B, 4> {
        let B = self.up.forward(x) * N;
        B.reshape([N, 4]) + B.reshape([B, 4])
    }
}

fn main() {}
