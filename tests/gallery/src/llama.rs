//! Llama (Touvron et al. 2023): RMS norms, rotary positions, grouped-query attention, SwiGLU.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear, RmsNorm, SwiGlu};
use ivon_runtime::ops::{cross_entropy, grouped_attention, rotary};
use ivon_runtime::prelude::*;

/// `HEADS` heads of queries share `KV_HEADS` heads of keys and values.
#[variational]
pub struct Attention<const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize> {
    query: Linear<WIDTH, WIDTH, false>,
    key: Linear<WIDTH, { WIDTH / HEADS * KV_HEADS }, false>,
    value: Linear<WIDTH, { WIDTH / HEADS * KV_HEADS }, false>,
    out: Linear<WIDTH, WIDTH, false>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize> Attention<WIDTH, HEADS, KV_HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let q = rotary::<HEADS>(self.query.forward(x), 10000.0);
        let k = rotary::<KV_HEADS>(self.key.forward(x), 10000.0);
        let v = self.value.forward(x);
        self.out.forward(grouped_attention::<HEADS, KV_HEADS>(q, k, v, None, None, None, None, true, 0, 0.0))
    }
}

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize, const HIDDEN: usize> {
    attention_norm: RmsNorm<WIDTH>,
    attention: Attention<WIDTH, HEADS, KV_HEADS>,
    mlp_norm: RmsNorm<WIDTH>,
    mlp: SwiGlu<WIDTH, HIDDEN>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize, const HIDDEN: usize> Block<WIDTH, HEADS, KV_HEADS, HIDDEN> {
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
    const KV_HEADS: usize,
    const HIDDEN: usize,
    const LAYERS: usize,
> {
    tokens: Embedding<VOCAB, WIDTH>,
    blocks: [Block<WIDTH, HEADS, KV_HEADS, HIDDEN>; LAYERS],
    norm: RmsNorm<WIDTH>,
    head: Linear<WIDTH, VOCAB, false>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const KV_HEADS: usize, const HIDDEN: usize, const LAYERS: usize>
    Llama<VOCAB, WIDTH, HEADS, KV_HEADS, HIDDEN, LAYERS>
{
    /// The logits of the next token at every place.
    pub fn forward<B, T>(&self, tokens: Ids<B, T>) -> Tensor<B, T, VOCAB> {
        let mut x = self.tokens.forward(tokens);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.head.forward(self.norm.forward(x))
    }

    pub fn loss<B, T>(&self, tokens: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        cross_entropy(self.forward(tokens), targets)
    }
}

/// Three sequences of six tokens; four heads of queries, two of keys and values.
pub fn example() -> impl Example {
    Batch::new(Llama::<11, 16, 4, 2, 24, 2>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("tokens", 11, [3, 6])?, &ids("targets", 11, [3, 6])?)
    })
}
