//! LoRA (Hu et al. 2022): a frozen matrix plus a learned product of two thin ones.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::prelude::*;

/// y = base(x) + (alpha / RANK) up(down(x)).
#[variational]
pub struct LoraLinear<const IN: usize, const OUT: usize, const RANK: usize> {
    #[parameter(frozen)]
    base: Linear<IN, OUT>,
    down: Linear<IN, RANK, false>,
    #[parameter(init = zeros)]
    up: Linear<RANK, OUT, false>,
    #[setting(16.0)]
    pub alpha: f64,
}

#[variational]
impl<const IN: usize, const OUT: usize, const RANK: usize> LoraLinear<IN, OUT, RANK> {
    pub fn forward<B>(&self, x: Tensor<B, IN>) -> Tensor<B, OUT> {
        self.base.forward(x) + self.alpha / RANK as f64 * self.up.forward(self.down.forward(x))
    }
}

#[variational]
pub struct Classifier<const IN: usize, const HIDDEN: usize, const RANK: usize, const CLASSES: usize> {
    hidden: LoraLinear<IN, HIDDEN, RANK>,
    out: LoraLinear<HIDDEN, CLASSES, RANK>,
}

#[variational]
impl<const IN: usize, const HIDDEN: usize, const RANK: usize, const CLASSES: usize> Classifier<IN, HIDDEN, RANK, CLASSES> {
    pub fn loss<B>(&self, x: Tensor<B, IN>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.out.forward(tanh(self.hidden.forward(x))), labels)
    }
}

/// Ten rows of six features.
pub fn example() -> impl Example {
    Batch::new(Classifier::<6, 12, 2, 4>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "x", [10, 6])?, &ids("labels", 4, [10])?)
    })
}
