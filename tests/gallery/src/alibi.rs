//! Attention with linear biases (Press, Smith and Lewis 2022) within a sliding window, as MPT and Mistral have them.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{arange, cross_entropy, gelu, matmul, softmax};
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
        let qkv = self.qkv.forward(x).reshape([B, T, 3, HEADS, WIDTH / HEADS]).permute([2, 0, 3, 1, 4]);
        let scores = matmul(qkv.at(0, 0), qkv.at(0, 1).transpose(2, 3)) / sqrt((WIDTH / HEADS) as f64);
        let distance = arange::<T>().unsqueeze(1) - arange::<T>();
        let slopes = exp(-(arange::<HEADS>() + 1.0) * (8.0 / HEADS as f64 * 0.6931471805599453));
        let near = (distance >= 0.0) * (distance < WINDOW);
        let scores = select(near, scores - slopes.reshape([HEADS, 1, 1]) * distance, -1e9);
        matmul(softmax(scores), qkv.at(0, 2)).transpose(1, 2).reshape([B, T, WIDTH])
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
