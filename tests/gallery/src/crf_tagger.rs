//! A tagger of a bidirectional RNN and a conditional random field (Huang, Xu and Yu 2015), over padded sequences.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::{length_mask, matmul, one_hot};
use ivon_runtime::prelude::*;

#[variational]
pub struct Rnn<const IN: usize, const H: usize> {
    input: Linear<IN, H>,
    hidden: Linear<H, H, false>,
}

#[variational]
impl<const IN: usize, const H: usize> Rnn<IN, H> {
    pub fn step<B>(&self, x: Tensor<B, IN>, h: Tensor<B, H>) -> Tensor<B, H> {
        tanh(self.input.forward(x) + self.hidden.forward(h))
    }
}

#[variational]
pub struct Tagger<const VOCAB: usize, const WIDTH: usize, const TAGS: usize> {
    words: Embedding<VOCAB, WIDTH>,
    ahead: Rnn<WIDTH, WIDTH>,
    back: Rnn<WIDTH, WIDTH>,
    emissions: Linear<{ 2 * WIDTH }, TAGS>,
    /// The score of tag j after tag i.
    #[parameter(init = normal(0.1))]
    transitions: Parameter<TAGS, TAGS>,
}

#[variational]
impl<const VOCAB: usize, const WIDTH: usize, const TAGS: usize> Tagger<VOCAB, WIDTH, TAGS> {
    /// The scores of each word's tags. A state beyond the end of a sequence stays zero, so the way back starts at its last word.
    pub fn emit<B, T>(&self, words: Ids<B, T>, lengths: Ids<B>) -> Tensor<B, T, TAGS> {
        let x = self.words.forward(words);
        let real = length_mask::<T>(lengths).unsqueeze(2);
        let mut h = zeros([B, WIDTH]);
        let mut ahead = Vec::new();
        for t in 0..T {
            h = self.ahead.step(x.at(1, t), h);
            ahead.push(h);
        }
        let mut h = zeros([B, WIDTH]);
        let mut back = Vec::new();
        for t in (0..T).rev() {
            h = real.at(1, t) * self.back.step(x.at(1, t), h);
            back.push(h);
        }
        let mut both = Vec::new();
        for (a, b) in ahead.iter().zip(back.iter().rev()) {
            both.push(concat([a, b], 1));
        }
        self.emissions.forward(stack(both, 1))
    }

    /// log Z minus the score of the true tags, the mean over sentences.
    pub fn loss<B, T>(&self, words: Ids<B, T>, lengths: Ids<B>, tags: Ids<B, T>) -> Tensor {
        let scores = self.emit(words, lengths);
        let real = length_mask::<T>(lengths);
        let truth = one_hot::<TAGS>(tags);
        let mut score = (truth.at(1, 0) * scores.at(1, 0)).sum(1);
        let mut alpha = scores.at(1, 0);
        for t in 1..T {
            let on = real.slice(1, t..t + 1);
            let step = matmul(truth.at(1, t - 1), self.transitions) + scores.at(1, t);
            score = score + on.squeeze(1) * (truth.at(1, t) * step).sum(1);
            let next = (alpha.unsqueeze(2) + self.transitions).logsumexp(1) + scores.at(1, t);
            alpha = select(on > 0.0, next, alpha);
        }
        (alpha.logsumexp(1) - score).mean()
    }
}

/// Three sentences of six, three and five words.
pub fn example() -> impl Example {
    Batch::new(Tagger::<11, 6, 4>::new(), |model, cx| {
        let lengths = Tensor::from_slice(&[6u32, 3, 5], [3])?;
        model.loss_gradient(cx, &ids("words", 11, [3, 6])?, &lengths, &ids("tags", 4, [3, 6])?)
    })
}
