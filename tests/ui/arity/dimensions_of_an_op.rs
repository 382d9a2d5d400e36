//! Attention takes its number of heads.
use ivon_runtime::{layers::Linear, ops::causal_attention, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        causal_attention(self.qkv.forward(x))
    }
}

fn main() {}
