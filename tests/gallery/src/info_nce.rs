//! A Siamese encoder with the InfoNCE loss in both directions, as SimCLR and CLIP have it (Radford et al. 2021).

use crate::{Batch, Example, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{l2_normalize, matmul};
use ivon_runtime::prelude::*;

#[variational]
pub struct Siamese<const IN: usize, const HIDDEN: usize, const OUT: usize> {
    hidden: Linear<IN, HIDDEN>,
    out: Linear<HIDDEN, OUT>,
    /// The logarithm of the inverse temperature.
    #[parameter(init = constant(2.6592))]
    scale: Parameter<1>,
}

#[variational]
impl<const IN: usize, const HIDDEN: usize, const OUT: usize> Siamese<IN, HIDDEN, OUT> {
    pub fn encode<B>(&self, x: Tensor<B, IN>) -> Tensor<B, OUT> {
        l2_normalize(self.out.forward(relu(self.hidden.forward(x))), 1e-12)
    }

    /// Row i of `a` and row i of `b` are two views of one thing.
    pub fn loss<B>(&self, a: Tensor<B, IN>, b: Tensor<B, IN>) -> Tensor {
        let a = self.encode(a);
        let b = self.encode(b);
        let scale = exp(self.scale);
        let scores = scale * matmul(a, b.transpose(0, 1));
        let same = scale * (a * b).sum(1);
        0.5 * (scores.logsumexp(0) + scores.logsumexp(1)).mean() - same.mean()
    }
}

/// Eight pairs.
pub fn example() -> impl Example {
    Batch::new(Siamese::<6, 16, 4>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "a", [8, 6])?, &uniform(cx, "b", [8, 6])?)
    })
}
