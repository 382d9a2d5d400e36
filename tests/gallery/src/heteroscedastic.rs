//! Regression that predicts its own noise (Nix and Weigend 1994): mean and log variance of a Gaussian.

use crate::{Batch, Example, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::gaussian_nll;
use ivon_runtime::prelude::*;

#[variational]
pub struct Regression<const IN: usize, const HIDDEN: usize> {
    hidden: Linear<IN, HIDDEN>,
    out: Linear<HIDDEN, 2>,
}

#[variational]
impl<const IN: usize, const HIDDEN: usize> Regression<IN, HIDDEN> {
    /// Mean and log variance of the target.
    pub fn forward<B>(&self, x: Tensor<B, IN>) -> (Tensor<B>, Tensor<B>) {
        let y = self.out.forward(tanh(self.hidden.forward(x)));
        (y.at(1, 0), y.at(1, 1))
    }

    pub fn loss<B>(&self, x: Tensor<B, IN>, y: Tensor<B>) -> Tensor {
        let (mean, log_variance) = self.forward(x);
        gaussian_nll(mean, log_variance, y)
    }
}

/// Twelve rows of four features.
pub fn example() -> impl Example {
    Batch::new(Regression::<4, 10>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "x", [12, 4])?, &uniform(cx, "y", [12])?)
    })
}
