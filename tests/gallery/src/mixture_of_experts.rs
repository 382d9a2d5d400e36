//! A Switch layer (Fedus, Zoph and Shazeer 2022): each token goes to the expert that its router likes best.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{cross_entropy, one_hot, softmax};
use ivon_runtime::prelude::*;

#[variational]
pub struct Expert<const WIDTH: usize> {
    up: Linear<WIDTH, { 2 * WIDTH }>,
    down: Linear<{ 2 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Expert<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.down.forward(relu(self.up.forward(x)))
    }
}

#[variational]
pub struct Switch<const WIDTH: usize, const EXPERTS: usize> {
    router: Linear<WIDTH, EXPERTS>,
    experts: [Expert<WIDTH>; EXPERTS],
}

#[variational]
impl<const WIDTH: usize, const EXPERTS: usize> Switch<WIDTH, EXPERTS> {
    /// The output, and the loss that balances the load: EXPERTS Σ (share of tokens) (mean probability).
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> (Tensor<B, WIDTH>, Tensor) {
        let probabilities = softmax(self.router.forward(x));
        let chosen = one_hot::<EXPERTS>(probabilities.argmax(1));
        let gates = probabilities * chosen;
        let mut y = zeros([B, WIDTH]);
        for (i, expert) in self.experts.iter().enumerate() {
            y = y + gates.slice(1, i..i + 1) * expert.forward(x);
        }
        let balance = EXPERTS as f64 * (chosen.mean(0) * probabilities.mean(0)).sum();
        (y, balance)
    }
}

#[variational]
pub struct Classifier<const IN: usize, const WIDTH: usize, const EXPERTS: usize, const CLASSES: usize> {
    embed: Linear<IN, WIDTH>,
    switch: Switch<WIDTH, EXPERTS>,
    head: Linear<WIDTH, CLASSES>,
}

#[variational]
impl<const IN: usize, const WIDTH: usize, const EXPERTS: usize, const CLASSES: usize> Classifier<IN, WIDTH, EXPERTS, CLASSES> {
    pub fn loss<B>(&self, x: Tensor<B, IN>, labels: Ids<B>) -> Tensor {
        let x = self.embed.forward(x);
        let (y, balance) = self.switch.forward(x);
        cross_entropy(self.head.forward(x + y), labels) + 0.01 * balance
    }
}

/// Twelve rows, three experts.
pub fn example() -> impl Example {
    Batch::new(Classifier::<5, 8, 3, 4>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "x", [12, 5])?, &ids("labels", 4, [12])?)
    })
}
