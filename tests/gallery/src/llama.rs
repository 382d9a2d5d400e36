//! Llama (Touvron et al. 2023): RMS norms, rotary positions, grouped-query attention, SwiGLU.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear, RmsNorm, SwiGlu};
use ivon_runtime::ops::{arange, cross_entropy, matmul, softmax};
use ivon_runtime::prelude::*;

/// Rotates the pairs `(x[i], x[i + HALF])` of each place t by the angle t · 10000^(-i / HALF) (Su et al. 2021).
#[variational]
pub fn rotary<B, N, T, HALF>(x: Tensor<B, N, T, { 2 * HALF }>) -> Tensor<B, N, T, { 2 * HALF }> {
    let frequencies = exp(arange::<HALF>() * (-9.210340371976184 / HALF as f64));
    let angles = arange::<T>().unsqueeze(1) * frequencies;
    let first = x.slice(-1, 0..HALF);
    let second = x.slice(-1, HALF..2 * HALF);
    concat([first * cos(angles) - second * sin(angles), second * cos(angles) + first * sin(angles)], 3)
}

/// `HEADS` heads of queries; `GROUP` of them share a head of keys and values.
#[variational]
pub struct Attention<const WIDTH: usize, const HEADS: usize, const GROUP: usize> {
    query: Linear<WIDTH, WIDTH, false>,
    key: Linear<WIDTH, { WIDTH / GROUP }, false>,
    value: Linear<WIDTH, { WIDTH / GROUP }, false>,
    out: Linear<WIDTH, WIDTH, false>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const GROUP: usize> Attention<WIDTH, HEADS, GROUP> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let q = rotary(self.query.forward(x).reshape([B, T, HEADS, WIDTH / HEADS]).transpose(1, 2));
        let k = rotary(self.key.forward(x).reshape([B, T, HEADS / GROUP, WIDTH / HEADS]).transpose(1, 2));
        let v = self.value.forward(x).reshape([B, T, HEADS / GROUP, WIDTH / HEADS]).transpose(1, 2);
        let q = q.reshape([B, HEADS / GROUP, GROUP * T, WIDTH / HEADS]);
        let scores = matmul(q, k.transpose(2, 3)).reshape([B, HEADS / GROUP, GROUP, T, T]) / sqrt((WIDTH / HEADS) as f64);
        let scores = select(arange::<T>() > arange::<T>().unsqueeze(1), -1e9, scores);
        let attended = matmul(softmax(scores).reshape([B, HEADS / GROUP, GROUP * T, T]), v);
        self.out.forward(attended.reshape([B, HEADS, T, WIDTH / HEADS]).transpose(1, 2).reshape([B, T, WIDTH]))
    }
}

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize, const GROUP: usize, const HIDDEN: usize> {
    attention_norm: RmsNorm<WIDTH>,
    attention: Attention<WIDTH, HEADS, GROUP>,
    mlp_norm: RmsNorm<WIDTH>,
    mlp: SwiGlu<WIDTH, HIDDEN>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const GROUP: usize, const HIDDEN: usize> Block<WIDTH, HEADS, GROUP, HIDDEN> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + self.attention.forward(self.attention_norm.forward(x));
        x + self.mlp.forward(self.mlp_norm.forward(x))
    }
}

#[variational]
pub struct Llama<
    const VOCAB: usize,
    const WIDTH: usize,
    const HEADS: usize,
    const GROUP: usize,
    const HIDDEN: usize,
    const LAYERS: usize,
> {
    tokens: Embedding<VOCAB, WIDTH>,
    blocks: [Block<WIDTH, HEADS, GROUP, HIDDEN>; LAYERS],
    norm: RmsNorm<WIDTH>,
    head: Linear<WIDTH, VOCAB, false>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const GROUP: usize, const HIDDEN: usize, const LAYERS: usize>
    Llama<VOCAB, WIDTH, HEADS, GROUP, HIDDEN, LAYERS>
{
    pub fn loss<B, T>(&self, tokens: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let mut x = self.tokens.forward(tokens);
        for block in &self.blocks {
            x = block.forward(x);
        }
        cross_entropy(self.head.forward(self.norm.forward(x)), targets)
    }
}

/// Three sequences of six tokens; four heads of queries, two of keys and values.
pub fn example() -> impl Example {
    Batch::new(Llama::<11, 16, 4, 2, 24, 2>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("tokens", 11, [3, 6])?, &ids("targets", 11, [3, 6])?)
    })
}
