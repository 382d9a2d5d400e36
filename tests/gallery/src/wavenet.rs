//! WaveNet (van den Oord et al. 2016): stacked causal convolutions whose dilation doubles, over quantised sound.

use crate::{Batch, Example, ids};
use ivon_runtime::layers::{Conv1d, Embedding};
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::prelude::*;

/// A gated residual block.
#[variational]
pub struct Block<const WIDTH: usize, const SKIP: usize, const DILATION: usize> {
    filter: Conv1d<WIDTH, WIDTH, 2, 1, DILATION, 0, DILATION>,
    gate: Conv1d<WIDTH, WIDTH, 2, 1, DILATION, 0, DILATION>,
    residual: Conv1d<WIDTH, WIDTH, 1>,
    skip: Conv1d<WIDTH, SKIP, 1>,
}

#[variational]
impl<const WIDTH: usize, const SKIP: usize, const DILATION: usize> Block<WIDTH, SKIP, DILATION> {
    /// What goes on to the next block, and what goes to the output.
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> (Tensor<B, T, WIDTH>, Tensor<B, T, SKIP>) {
        let z = tanh(self.filter.forward(x)) * sigmoid(self.gate.forward(x));
        (x + self.residual.forward(z), self.skip.forward(z))
    }
}

#[variational]
pub struct WaveNet<const LEVELS: usize, const WIDTH: usize, const SKIP: usize> {
    samples: Embedding<LEVELS, WIDTH>,
    causal: Conv1d<WIDTH, WIDTH, 2, 1, 1>,
    first: Block<WIDTH, SKIP, 1>,
    second: Block<WIDTH, SKIP, 2>,
    third: Block<WIDTH, SKIP, 4>,
    out: Conv1d<SKIP, SKIP, 1>,
    head: Conv1d<SKIP, LEVELS, 1>,
}

#[variational]
impl<const LEVELS: usize, const WIDTH: usize, const SKIP: usize> WaveNet<LEVELS, WIDTH, SKIP> {
    /// The logits of the level after each sample.
    pub fn forward<B, T>(&self, samples: Ids<B, T>) -> Tensor<B, T, LEVELS> {
        let x = self.causal.forward(self.samples.forward(samples));
        let (x, first) = self.first.forward(x);
        let (x, second) = self.second.forward(x);
        let (_, third) = self.third.forward(x);
        self.head.forward(relu(self.out.forward(relu(first + second + third))))
    }

    pub fn loss<B, T>(&self, samples: Ids<B, T>, next: Ids<B, T>) -> Tensor {
        cross_entropy(self.forward(samples), next)
    }
}

/// Three sounds of twelve samples.
pub fn example() -> impl Example {
    Batch::new(WaveNet::<7, 6, 8>::new(), |model, cx| {
        model.loss_gradient(cx, &ids("samples", 7, [3, 12])?, &ids("next", 7, [3, 12])?)
    })
    .from(5.0)
}
