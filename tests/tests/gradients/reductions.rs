//! Reductions along axes.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::embedding;
use ivon_runtime::prelude::*;

model! {
    Along<N> { up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, 4, N>) -> Tensor {
        let y = self.up.forward(x);
        let one = y.sum(0).max(1) * y.mean(-2).logsumexp(0).min(0) + y.max(1).min(-1).sum();
        let several = y.max([0, 2]) * y.sum([1, 2]).mean() + y.logsumexp([-1, 0]) - y.min([1, 2]).sum();
        let all = y.max() * y.min() - y.logsumexp() + y.sum() * y.mean();
        one.mean() + several.mean() + all
    }
}

#[test]
fn along_one_axis_several_and_all() {
    let x = tensor([2, 4, 3], 1);
    verify!(Along::<3>::new(), x);
}

model! {
    Kept<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let y = self.up.forward(x);
        let kept = concat([y.sum_keep(2), y.mean_keep(-1), y.max_keep(2), y.min_keep(2), y.logsumexp_keep(2)], 2);
        let corner = y.max_keep([0, 1]) * y.mean_keep([0, 1]);
        (kept * kept).sum() + (corner * corner).sum()
    }
}

#[test]
fn keeping_the_axes() {
    let x = tensor([2, 4, 3], 1);
    verify!(Kept::<3>::new(), x);
}

model! {
    Places<N> { table: Parameter<N, 2>, up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let place = self.up.forward(x).argmax(1);
        (embedding(place, self.table) * embedding(x.argmin(-1), self.table)).sum() + self.up.forward(x).mean()
    }
}

/// The places have no gradient.
#[test]
fn places_are_ids() {
    let x = tensor([5, 4], 1);
    verify!(Places::<4>::new(), x);
}

/// Functions over any number of leading dimensions count axes from the last.
#[variational]
fn length<Rest: Dims, N>(x: Tensor<Rest, N>) -> Tensor<Rest> {
    let squares = (x * x).sum_keep(-1).transpose(-1, -1);
    sqrt(squares.squeeze(-1).unsqueeze(-1).sum(-1)) + x.slice(-1, 1..N).max(-1)
}

model! {
    Lengths<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        length(self.up.forward(x)).mean() * length(x.sum(0)).sum()
    }
}

#[test]
fn axes_count_from_the_last() {
    let x = tensor([2, 4, 3], 1);
    verify!(Lengths::<3>::new(), x);
}

#[variational]
struct OfNumbers {
    scale: Parameter<3>,
}

#[variational]
impl OfNumbers {
    fn numbers<B>(&self, x: Tensor<B, 3>, n: usize, f: f64) -> Tensor<B, 3> {
        x * self.scale * n.max(2) * f.min(0.5)
    }
}

/// As methods of numbers, `max` and `min` are those of Rust.
#[test]
fn of_numbers_they_are_of_two() {
    let cx = context();
    let model = OfNumbers::new();
    let layout = ivon_runtime::Layout::of(&model);
    let mut weights = ivon_runtime::Flat::zeros(&layout, DType::F64).unwrap();
    weights.as_mut_slice::<f64>().fill(1.0);
    cx.set_weights(&weights);
    let x = cx.filled([1, 3], 1.0).unwrap();
    assert_eq!(model.numbers(&cx, &x, 1, 0.25).unwrap().to_f64(), [0.5; 3]);
    assert_eq!(model.numbers(&cx, &x, 3, 7.0).unwrap().to_f64(), [1.5; 3]);
}
