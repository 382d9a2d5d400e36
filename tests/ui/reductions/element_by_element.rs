//! As methods, `max` and `min` are over axes.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = self.up.forward(x);
        y.max(1.0) + y.min(x) + (y + x).max(-0.5)
    }
}

fn main() {}
