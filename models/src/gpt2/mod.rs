//! GPT-2 as Hugging Face computes it (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): pre-norm blocks,
//! learned positions, the tanh form of GELU, and an output head that is the token embedding again.
//!
//! `BIAS = false` leaves every bias out, of the linear layers and of the norms, as nanoGPT trains it. Dropout acts where GPT-2 has
//! it on embeddings and on residual branches; attention probabilities are not dropped.

mod beside;
mod evaluate;
mod generate;
mod names;
mod preset;
mod stored;
#[cfg(test)]
mod tests;

pub use generate::{Drawn, Reader, Sampling, next, next_of};
pub use names::{Convention, export, import};
pub use preset::{Dimensions, PRESETS, Preset};
pub use stored::Stored;

use ivon_runtime::layers::{Dropout, Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{causal_attention, embedding, gelu_tanh};
use ivon_runtime::prelude::*;

/// A language model: next-token logits for every position of a sequence of ids.
#[variational]
pub struct Gpt2<
    const VOCAB: usize,
    const CONTEXT: usize,
    const WIDTH: usize,
    const HEADS: usize,
    const LAYERS: usize,
    const BIAS: bool = true,
> {
    #[parameter(init = normal(0.02))]
    tokens: Embedding<VOCAB, WIDTH>,
    #[parameter(init = normal(0.02))]
    positions: Parameter<CONTEXT, WIDTH>,
    dropout: Dropout,
    blocks: [Block<WIDTH, HEADS, LAYERS, BIAS>; LAYERS],
    norm: LayerNorm<WIDTH, BIAS>,
}

#[variational]
impl<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BIAS: bool>
    Gpt2<VOCAB, CONTEXT, WIDTH, HEADS, LAYERS, BIAS>
{
    /// Logits of the token after each position.
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, VOCAB> {
        self.tokens.attend(self.features(ids))
    }

    /// The features that the output matrix multiplies into logits.
    fn features<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, WIDTH> {
        let embedded = self.tokens.forward(ids) + self.positions.slice(0, 0..T);
        let mut x = self.dropout.forward(embedded);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.norm.forward(x)
    }

    /// Logits of the token after the last of some positions, `places`. Inside of `Context::cached` they follow those in the cache.
    pub fn step<B, T>(&self, ids: Ids<B, T>, places: Ids<T>) -> Tensor<B, 1, VOCAB> {
        let mut x = self.tokens.forward(ids) + embedding(places, self.positions);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.tokens.attend(self.norm.forward(x.slice(1, T - 1..T)))
    }

    /// Mean negative log-likelihood of `targets`, in nats a token.
    pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        self.tokens.cross_entropy(self.features(ids), targets)
    }
}

/// Attention and MLP, each on a normalised copy of the residual stream.
#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BIAS: bool> {
    norm1: LayerNorm<WIDTH, BIAS>,
    attention: Attention<WIDTH, HEADS, LAYERS, BIAS>,
    norm2: LayerNorm<WIDTH, BIAS>,
    mlp: Mlp<WIDTH, LAYERS, BIAS>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BIAS: bool> Block<WIDTH, HEADS, LAYERS, BIAS> {
    /// One block of the residual stream.
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + self.attention.forward(self.norm1.forward(x));
        x + self.mlp.forward(self.norm2.forward(x))
    }
}

/// Causal self-attention: every position looks at itself and what came before.
///
/// The output projection starts smaller by sqrt(2 · LAYERS), because that many branches add up in the residual stream.
#[variational]
pub struct Attention<const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BIAS: bool> {
    #[parameter(init = normal(0.02))]
    qkv: Linear<WIDTH, { 3 * WIDTH }, BIAS>,
    #[parameter(init = normal(0.02 / (2.0 * LAYERS as f64).sqrt()))]
    out: Linear<WIDTH, WIDTH, BIAS>,
    dropout: Dropout,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const BIAS: bool> Attention<WIDTH, HEADS, LAYERS, BIAS> {
    /// softmax(q kᵀ / sqrt(WIDTH / HEADS), causal) v, heads side by side, projected.
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let mixed = causal_attention::<HEADS>(self.qkv.forward(x));
        self.dropout.forward(self.out.forward(mixed))
    }
}

/// The position-wise feed-forward network, four times as wide inside.
#[variational]
pub struct Mlp<const WIDTH: usize, const LAYERS: usize, const BIAS: bool> {
    #[parameter(init = normal(0.02))]
    up: Linear<WIDTH, { 4 * WIDTH }, BIAS>,
    #[parameter(init = normal(0.02 / (2.0 * LAYERS as f64).sqrt()))]
    down: Linear<{ 4 * WIDTH }, WIDTH, BIAS>,
    dropout: Dropout,
}

#[variational]
impl<const WIDTH: usize, const LAYERS: usize, const BIAS: bool> Mlp<WIDTH, LAYERS, BIAS> {
    /// down(gelu(up(x))).
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.dropout.forward(self.down.forward(gelu_tanh(self.up.forward(x))))
    }
}

impl Gpt2 {
    /// A model of these dimensions.
    ///
    /// # Errors
    /// If a dimension is 0, or the heads do not divide the width.
    pub fn of(dimensions: &Dimensions) -> Result<Gpt2> {
        dimensions.check()?;
        let Dimensions { layers, width, heads, context, vocab, bias } = *dimensions;
        Gpt2::build(vocab, context, width, heads, layers, bias)
    }

    /// Sets the rate of every dropout in the model.
    pub fn set_dropout(&mut self, rate: f64) {
        self.dropout.rate = rate;
        for block in &mut self.blocks {
            block.attention.dropout.rate = rate;
            block.mlp.dropout.rate = rate;
        }
    }
}
