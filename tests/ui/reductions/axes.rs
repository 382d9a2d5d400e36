//! Axes that are not there, or twice.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B, T>(&self, x: Tensor<B, T, 4>) -> Tensor<B, T> {
        let y = self.up.forward(x);
        let beyond = y.max(3) + y.sum(-4) + y.logsumexp([0, 3]);
        let twice = y.mean([2, -1]) + y.max([1, 1]);
        let without = y.sum_keep() + y.argmax_keep(1) + y.sum([]);
        y.max(2)
    }
}

fn main() {}
