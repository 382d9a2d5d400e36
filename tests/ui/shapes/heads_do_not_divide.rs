//! Heads that are known divide a width that is known.
use ivon_runtime::{layers::Linear, ops::causal_attention, prelude::*};

#[variational]
pub struct Model {
    qkv: Linear<64, 192>,
}

#[variational]
impl Model {
    pub fn forward<B, T>(&self, x: Tensor<B, T, 64>) -> Tensor<B, T, 64> {
        causal_attention::<5>(self.qkv.forward(x))
    }
}

fn main() {}
