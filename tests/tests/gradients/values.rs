//! Values: tuples, names, and what is used twice or not at all.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{linear, matmul, mse};
use ivon_runtime::prelude::*;

model! {
    TupleWithOneUnused<N> { up: Linear<N, N>, down: Linear<N, N> }
    fn both<B>(&self, x: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>) {
        let y = self.up.forward(x);
        (y * x, self.down.forward(y))
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let (first, _) = self.both(x);
        let (_, second) = self.both(2.0 * x);
        (first * first).mean() + mse(second, x)
    }
}

#[test]
fn a_tuple_with_one_unused_output() {
    let x = tensor([2, 3], 1);
    verify!(TupleWithOneUnused::<3>::new(), x);
}

model! {
    GivenTwice<N> { weight: Parameter<N, N> }
    fn loss<B>(&self, x: Tensor<B, N, N>) -> Tensor {
        let y = x * self.weight;
        matmul(y, y).mean() + matmul(x, x).sum() + linear(self.weight, self.weight, None).sum()
    }
}

#[test]
fn an_argument_given_twice_to_one_op() {
    let x = tensor([2, 3, 3], 1);
    verify!(GivenTwice::<3>::new(), x);
}

model! {
    ReturnedTwice<N> { up: Linear<N, N>, weight: Parameter<N> }
    fn pair<B>(&self, x: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>, Tensor<B, N>) {
        let y = tanh(self.up.forward(x));
        (y, x, y)
    }
    fn table<B>(&self, x: Tensor<B, N>) -> (Tensor<N>, Tensor<B, N>) {
        (self.weight, x * self.weight)
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let (a, b, c) = self.pair(x);
        let (weight, d) = self.table(b);
        (a * exp(c) * weight + d).mean()
    }
}

#[test]
fn a_value_returned_twice_an_argument_and_a_parameter_as_they_are() {
    let x = tensor([2, 3], 1);
    verify!(ReturnedTwice::<3>::new(), x);
}

model! {
    Rebound<N> { up: Linear<N, N>, layers: [Linear<N, N>; 2], start: Parameter<N, N> }
    fn loss(&self, x: Tensor<N, N>) -> Tensor {
        let mut y = self.up.forward(x);
        y = y * y;
        let mut z = self.start;
        let dropped = exp(y);
        for layer in &self.layers {
            let y = layer.forward(z);
            z = y * x - z;
        }
        let unused = dropped * z;
        let x = y + z;
        mse(x, self.start)
    }
}

#[test]
fn rebinding_shadowing_dropped_values_and_a_parameter_that_a_loop_starts_from() {
    let x = tensor([3, 3], 1);
    verify!(Rebound::<3>::new(), x);
}
