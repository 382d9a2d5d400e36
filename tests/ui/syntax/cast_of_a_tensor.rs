//! Only numbers are cast, and only to f64.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.up.forward(x as f64) * (0.1 as f32)
    }
}

fn main() {}
