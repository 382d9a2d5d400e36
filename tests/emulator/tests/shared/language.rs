//! A language model with everything of GPT-2 but its size, and something for it to learn; and a model of one layer.

#![allow(dead_code)] // every file of tests uses some of it

use ivon_runtime::layers::{Dropout, Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{causal_attention, gelu_tanh, mse};
use ivon_runtime::prelude::*;

#[variational]
pub struct Language<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    #[parameter(init = normal(0.02))]
    positions: Parameter<CONTEXT, WIDTH>,
    blocks: [Block<WIDTH, HEADS>; LAYERS],
    norm: LayerNorm<WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize>
    Language<VOCAB, CONTEXT, WIDTH, HEADS, LAYERS>
{
    pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let mut x = self.tokens.forward(ids) + self.positions.slice(0, 0..T);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.tokens.cross_entropy(self.norm.forward(x), targets)
    }
}

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize> {
    norm: LayerNorm<WIDTH>,
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    out: Linear<WIDTH, WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
    pub dropout: Dropout,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let attended = causal_attention::<HEADS>(self.qkv.forward(self.norm.forward(x)));
        let x = x + self.dropout.forward(self.out.forward(attended));
        x + self.down.forward(gelu_tanh(self.up.forward(x)))
    }
}

/// y = W x + b.
#[variational]
pub struct Line<const IN: usize> {
    line: Linear<IN, 1>,
}

#[variational]
impl<const IN: usize> Line<IN> {
    pub fn loss<B>(&self, x: Tensor<B, IN>, y: Tensor<B, 1>) -> Tensor {
        mse(self.line.forward(x), y)
    }
}

pub const IDS: usize = 61;

/// A model with this rate of dropout.
pub fn model(rate: f64) -> Language {
    let mut model = Language::build(IDS, 16, 32, 2, 2).unwrap();
    set_rate(&mut model, rate);
    model
}

pub fn set_rate(model: &mut Language, rate: f64) {
    model.blocks.iter_mut().for_each(|block| block.dropout.rate = rate);
}

/// The ids and targets of a step: sequences in which each id follows from the one before.
pub fn batch(step: usize) -> (Tensor, Tensor) {
    let id = |i: usize, t: usize| ((step * 7 + i * 13 + t * t) % IDS) as u32;
    let ids = |shift: usize| -> Vec<u32> { (0..2).flat_map(|i| (0..16).map(move |t| id(i, t + shift))).collect() };
    (Tensor::from_slice(&ids(0), [2, 16]).unwrap(), Tensor::from_slice(&ids(1), [2, 16]).unwrap())
}
