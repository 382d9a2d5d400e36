//! A transformer: a block, and a language model with a loop over blocks and a head that is tied to the embedding.

use ivon_runtime::layers::{Dropout, Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{causal_attention, cross_entropy, gelu_tanh};
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize> {
    attention_norm: LayerNorm<WIDTH>,
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    #[parameter(init = normal(0.01))]
    out: Linear<WIDTH, WIDTH>,
    mlp_norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
    dropout: Dropout,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let attended = causal_attention::<HEADS>(self.qkv.forward(self.attention_norm.forward(x)));
        let x = x + self.dropout.forward(self.out.forward(attended));
        let hidden = gelu_tanh(self.up.forward(self.mlp_norm.forward(x)));
        x + self.dropout.forward(self.down.forward(hidden))
    }
}

#[variational]
pub struct LanguageModel<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    #[parameter(init = normal(0.02), weight_decay = 0.0)]
    positions: Parameter<CONTEXT, WIDTH>,
    blocks: [Block<WIDTH, HEADS>; LAYERS],
    norm: LayerNorm<WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize>
    LanguageModel<VOCAB, CONTEXT, WIDTH, HEADS, LAYERS>
{
    /// The logits of the next token at every place.
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, VOCAB> {
        let mut x = self.tokens.forward(ids) + self.positions.slice(0, 0..T);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.tokens.attend(self.norm.forward(x))
    }

    pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        cross_entropy(self.forward(ids), targets)
    }
}
