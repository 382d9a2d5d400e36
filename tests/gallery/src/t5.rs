//! T5 (Raffel et al. 2020): an encoder and a decoder with relative position biases, cross-attention and RMS norms.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear, RmsNorm};
use ivon_runtime::ops::{cross_entropy, grouped_attention};
use ivon_runtime::prelude::*;

/// Heads of queries over the keys and values of any sequence, with a bias on the scores and no scaling.
#[variational]
pub struct Attention<const WIDTH: usize, const HEADS: usize, const CAUSAL: bool = false> {
    query: Linear<WIDTH, WIDTH, false>,
    key: Linear<WIDTH, WIDTH, false>,
    value: Linear<WIDTH, WIDTH, false>,
    out: Linear<WIDTH, WIDTH, false>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const CAUSAL: bool = false> Attention<WIDTH, HEADS, CAUSAL> {
    pub fn forward<B, T, S>(
        &self,
        x: Tensor<B, T, WIDTH>,
        memory: Tensor<B, S, WIDTH>,
        bias: Tensor<HEADS, T, S>,
    ) -> Tensor<B, T, WIDTH> {
        let q = sqrt((WIDTH / HEADS) as f64) * self.query.forward(x);
        let k = self.key.forward(memory);
        let v = self.value.forward(memory);
        self.out.forward(grouped_attention::<HEADS, HEADS>(q, k, v, bias, None, None, None, CAUSAL, 0, 0.0))
    }
}

#[variational]
pub struct Mlp<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }, false>,
    down: Linear<{ 4 * WIDTH }, WIDTH, false>,
}

#[variational]
impl<const WIDTH: usize> Mlp<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.down.forward(relu(self.up.forward(x)))
    }
}

#[variational]
pub struct Encoder<const WIDTH: usize, const HEADS: usize> {
    attention_norm: RmsNorm<WIDTH>,
    attention: Attention<WIDTH, HEADS>,
    mlp_norm: RmsNorm<WIDTH>,
    mlp: Mlp<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Encoder<WIDTH, HEADS> {
    pub fn forward<B, S>(&self, x: Tensor<B, S, WIDTH>, bias: Tensor<HEADS, S, S>) -> Tensor<B, S, WIDTH> {
        let h = self.attention_norm.forward(x);
        let x = x + self.attention.forward(h, h, bias);
        x + self.mlp.forward(self.mlp_norm.forward(x))
    }
}

#[variational]
pub struct Decoder<const WIDTH: usize, const HEADS: usize> {
    attention_norm: RmsNorm<WIDTH>,
    attention: Attention<WIDTH, HEADS, true>,
    cross_norm: RmsNorm<WIDTH>,
    cross: Attention<WIDTH, HEADS>,
    mlp_norm: RmsNorm<WIDTH>,
    mlp: Mlp<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Decoder<WIDTH, HEADS> {
    pub fn forward<B, T, S>(
        &self,
        x: Tensor<B, T, WIDTH>,
        memory: Tensor<B, S, WIDTH>,
        bias: Tensor<HEADS, T, T>,
    ) -> Tensor<B, T, WIDTH> {
        let h = self.attention_norm.forward(x);
        let x = x + self.attention.forward(h, h, bias);
        let x = x + self.cross.forward(self.cross_norm.forward(x), memory, zeros([HEADS, T, S]));
        x + self.mlp.forward(self.mlp_norm.forward(x))
    }
}

#[variational]
pub struct T5<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BUCKETS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    encoder_bias: Embedding<BUCKETS, HEADS>,
    encoder: [Encoder<WIDTH, HEADS>; LAYERS],
    encoder_norm: RmsNorm<WIDTH>,
    decoder_bias: Embedding<BUCKETS, HEADS>,
    decoder: [Decoder<WIDTH, HEADS>; LAYERS],
    decoder_norm: RmsNorm<WIDTH>,
    head: Linear<WIDTH, VOCAB, false>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BUCKETS: usize>
    T5<VOCAB, WIDTH, HEADS, LAYERS, BUCKETS>
{
    /// `.._buckets` are the buckets of the distances between all pairs of places.
    pub fn loss<B, S, T>(
        &self,
        source: Ids<B, S>,
        source_buckets: Ids<S, S>,
        shifted: Ids<B, T>,
        shifted_buckets: Ids<T, T>,
        targets: Ids<B, T>,
    ) -> Tensor {
        let bias = self.encoder_bias.forward(source_buckets).permute([2, 0, 1]);
        let mut memory = self.tokens.forward(source);
        for block in &self.encoder {
            memory = block.forward(memory, bias);
        }
        let memory = self.encoder_norm.forward(memory);

        let bias = self.decoder_bias.forward(shifted_buckets).permute([2, 0, 1]);
        let mut x = self.tokens.forward(shifted);
        for block in &self.decoder {
            x = block.forward(x, memory, bias);
        }
        cross_entropy(self.head.forward(self.decoder_norm.forward(x)), targets)
    }
}

/// The bucket of each distance from place `i` to place `j`: exact for near ones, logarithmic beyond half of the buckets.
pub fn buckets(length: usize, count: u32, causal: bool) -> Result<Tensor> {
    let bucket = |i: usize, j: usize| {
        let back = i as i64 - j as i64;
        let (half, first) = if causal { (count, 0) } else { (count / 2, if back < 0 { count / 2 } else { 0 }) };
        let distance = if causal { back.max(0) } else { back.abs() } as u32;
        let exact = half / 2;
        if distance < exact {
            return first + distance;
        }
        let share = (f64::from(distance) / f64::from(exact)).ln() / (128.0 / f64::from(exact)).ln();
        first + (exact + (share * f64::from(half - exact)) as u32).min(half - 1)
    };
    let all: Vec<u32> = (0..length * length).map(|k| bucket(k / length, k % length)).collect();
    Tensor::from_slice(&all, [length, length])
}

/// Two sentences of six tokens, and translations of five.
pub fn example() -> impl Example {
    Batch::new(T5::<13, 12, 3, 2, 8>::new(), |model, cx| {
        let (source, shifted, targets) = (ids("source", 13, [2, 6])?, ids("shifted", 13, [2, 5])?, ids("targets", 13, [2, 5])?);
        model.loss_gradient(cx, &source, &buckets(6, 8, false)?, &shifted, &buckets(5, 8, true)?, &targets)
    })
}
