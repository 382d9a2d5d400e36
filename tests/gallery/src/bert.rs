//! BERT (Devlin et al. 2019): post-norm encoder blocks over padded sequences, and the loss of the masked tokens.

use crate::{Batch, Example, ids, tensor};
use ivon_runtime::layers::{Embedding, LayerNorm, Linear, MultiHeadAttention};
use ivon_runtime::ops::{gelu, length_mask, log_softmax, one_hot};
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize> {
    attention: MultiHeadAttention<WIDTH, HEADS, HEADS>,
    attention_norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
    norm: LayerNorm<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
    /// `real` is 1 where a sequence has a token and 0 at its padding.
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>, real: Tensor<B, T>) -> Tensor<B, T, WIDTH> {
        let x = self.attention_norm.forward(x + self.attention.forward_masked(x, real));
        self.norm.forward(x + self.down.forward(gelu(self.up.forward(x))))
    }
}

#[variational]
pub struct Bert<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    segments: Embedding<2, WIDTH>,
    #[parameter(init = normal(0.02))]
    positions: Parameter<CONTEXT, WIDTH>,
    norm: LayerNorm<WIDTH>,
    blocks: [Block<WIDTH, HEADS>; LAYERS],
    transform: Linear<WIDTH, WIDTH>,
    transform_norm: LayerNorm<WIDTH>,
    bias: Parameter<VOCAB>,
}

#[variational]
impl<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize>
    Bert<VOCAB, CONTEXT, WIDTH, HEADS, LAYERS>
{
    /// The logits of the token at every place.
    pub fn forward<B, T>(&self, tokens: Ids<B, T>, segments: Ids<B, T>, lengths: Ids<B>) -> Tensor<B, T, VOCAB> {
        let x = self.tokens.forward(tokens) + self.segments.forward(segments) + self.positions.slice(0, 0..T);
        let mut x = self.norm.forward(x);
        let real = length_mask::<T>(lengths);
        for block in &self.blocks {
            x = block.forward(x, real);
        }
        self.tokens.attend(self.transform_norm.forward(gelu(self.transform.forward(x)))) + self.bias
    }

    /// The mean loss of the tokens that `masked` marks with 1.
    pub fn loss<B, T>(
        &self,
        tokens: Ids<B, T>,
        segments: Ids<B, T>,
        lengths: Ids<B>,
        targets: Ids<B, T>,
        masked: Tensor<B, T>,
    ) -> Tensor {
        let likelihood = log_softmax(self.forward(tokens, segments, lengths)) * one_hot::<VOCAB>(targets);
        -(likelihood.sum(2) * masked).sum() / masked.sum()
    }
}

/// Three sequences of 7, 4 and 6 tokens, every third of which is masked.
pub fn example() -> impl Example {
    Batch::new(Bert::<11, 8, 12, 3, 2>::new(), |model, cx| {
        let masked: Vec<f32> = (0..21).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
        let lengths = Tensor::from_slice(&[7u32, 4, 6], [3])?;
        let (tokens, targets) = (ids("tokens", 11, [3, 7])?, ids("targets", 11, [3, 7])?);
        model.loss_gradient(cx, &tokens, &ids("segments", 2, [3, 7])?, &lengths, &targets, &tensor(cx, &masked, [3, 7])?)
    })
}
