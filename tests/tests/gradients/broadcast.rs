//! Broadcasting: counted from the last, dimensions are equal, or one of them is 1 or missing.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

model! {
    Centred<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let y = self.up.forward(x);
        let centred = y - y.mean_keep(2);
        let scaled = centred / sqrt(0.1 + (centred * centred).mean_keep(-1));
        let weights = exp(scaled - scaled.max_keep(1));
        let mixed = weights / weights.sum_keep(1) * x;
        (mixed * mixed.mean_keep([0, 2])).sum()
    }
}

#[test]
fn what_a_reduction_keeps() {
    let x = tensor([2, 4, 3], 1);
    verify!(Centred::<3>::new(), x);
}

model! {
    Outer<N> { row: Parameter<N>, column: Parameter<4, 1>, gate: Parameter<1, 4, 1>, up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, 1, N>, y: Tensor<B, 4, 1>, z: Tensor<B, 1, 4, 1>) -> Tensor {
        let table = self.row * self.column - self.column;
        let pairs = (self.up.forward(x) + table) * y / (2.0 + self.gate * self.gate);
        let wide = tanh(z + pairs.unsqueeze(2)) * pairs.unsqueeze(1);
        (wide * wide.mean_keep([1, 3])).mean() + max(x, y).sum() + (y * self.gate + x).mean()
    }
}

#[test]
fn both_sides_repeat() {
    let (x, y, z) = (tensor([2, 1, 3], 1), tensor([2, 4, 1], 2), tensor([2, 1, 4, 1], 3));
    verify!(Outer::<3>::new(), x, y, z);
}

/// Over any number of leading dimensions.
#[variational]
fn normalised<Rest: Dims, N>(x: Tensor<Rest, N>, gain: Tensor<N>) -> Tensor<Rest, N> {
    let centred = x - x.mean_keep(-1);
    centred / sqrt(0.1 + (centred * centred).mean_keep(-1)) * gain
}

model! {
    Normalised<N> { gain: Parameter<N>, blocks: [Linear<N, N>; 2] }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let mut y = x;
        for block in &self.blocks {
            y = y + normalised(block.forward(y), self.gain) * y.max_keep(0);
        }
        (y * y).mean() + normalised(x.sum(1), self.gain).max(1).sum()
    }
}

#[test]
fn in_functions_and_loops() {
    let x = tensor([2, 4, 3], 1);
    verify!(Normalised::<3>::new(), x);
}
