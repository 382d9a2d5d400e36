//! Literals have no suffix but `f64` and `usize`.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x) * 0.1f32 + 3u8
    }
}

fn main() {}
