//! Attention with linear biases (Press, Smith and Lewis 2022) within a sliding window, as MPT and Mistral have them.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{arange, cross_entropy, gelu, grouped_attention};
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize, const WINDOW: usize> {
    norm: LayerNorm<WIDTH>,
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    out: Linear<WIDTH, WIDTH>,
    mlp_norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const WINDOW: usize> Block<WIDTH, HEADS, WINDOW> {
    /// Each head lowers the scores by its slope times the distance; the slopes are 2^(-8/HEADS), 2^(-16/HEADS), ..
    fn attend<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let qkv = self.qkv.forward(x);
        let q = qkv.slice(2, 0..WIDTH);
        let k = qkv.slice(2, WIDTH..2 * WIDTH);
        let v = qkv.slice(2, 2 * WIDTH..3 * WIDTH);
        let slopes = exp(-(arange::<HEADS>() + 1.0) * (8.0 / HEADS as f64 * 0.6931471805599453));
        grouped_attention::<HEADS, HEADS>(q, k, v, None, slopes, None, None, true, WINDOW, 0.0)
    }

    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + self.out.forward(self.attend(self.norm.forward(x)));
        x + self.down.forward(gelu(self.up.forward(self.mlp_norm.forward(x))))
    }
}

#[variational]
pub struct Alibi<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const WINDOW: usize, const LAYERS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    blocks: [Block<WIDTH, HEADS, WINDOW>; LAYERS],
    norm: LayerNorm<WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const WINDOW: usize, const LAYERS: usize>
    Alibi<VOCAB, WIDTH, HEADS, WINDOW, LAYERS>
{
    pub fn loss<B, T>(&self, tokens: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let mut x = self.tokens.forward(tokens);
        for block in &self.blocks {
            x = block.forward(x);
        }
        cross_entropy(self.tokens.attend(self.norm.forward(x)), targets)
    }
}

/// Three sequences of seven tokens; each sees four.
pub fn example() -> impl Example {
    Batch::new(Alibi::<11, 12, 3, 4, 2>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("tokens", 11, [3, 7])?, &ids("targets", 11, [3, 7])?)
    })
}
