//! Numbers that would hide the context, the saved values and a function of generated code.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>, cx: f64, saved: usize, drop: f64) -> Tensor<B, 4> {
        cx * saved * drop * self.up.forward(x)
    }
}

fn main() {}
