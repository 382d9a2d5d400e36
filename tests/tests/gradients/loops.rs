//! Loops over arrays of layers.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::mse;
use ivon_runtime::prelude::*;

model! {
    Swap<N> { layers: [Linear<N, N>; 3] }
    fn loss<B>(&self, x: Tensor<B, N>, y: Tensor<B, N>) -> Tensor {
        let mut a = x;
        let mut b = y;
        for layer in &self.layers {
            let c = tanh(layer.forward(a) * b);
            a = b;
            b = c;
        }
        mse(a, b)
    }
}

#[test]
fn a_loop_that_swaps_two_values() {
    let (x, y) = (tensor([2, 3], 1), tensor([2, 3], 2));
    verify!(Swap::<3>::new(), x, y);
}

model! {
    Captured<N> { first: Linear<N, N>, layers: [Linear<N, N>; 3], scale: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let start = self.first.forward(x);
        let mut y = start;
        for layer in &self.layers {
            y = layer.forward(y) * self.scale + start * y;
        }
        (y * start + x).mean()
    }
}

#[test]
fn a_value_from_outside_is_read_in_a_loop() {
    let x = tensor([2, 3], 1);
    verify!(Captured::<3>::new(), x);
}

model! {
    Nested<N> { outer: [Linear<N, N>; 2], inner: [Linear<N, N>; 2], scale: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = x;
        let mut z = x * self.scale;
        for first in &self.outer {
            y = y + first.forward(z);
            for second in &self.inner {
                z = tanh(second.forward(y) + z);
            }
        }
        (y * z).mean()
    }
}

#[test]
fn loops_in_loops() {
    let x = tensor([2, 3], 1);
    verify!(Nested::<3>::new(), x);
}

#[variational]
struct Turns<const N: usize, const LAYERS: usize> {
    up: Linear<N, N>,
    layers: [Linear<N, N>; LAYERS],
}

#[variational]
impl<const N: usize, const LAYERS: usize> Turns<N, LAYERS> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = self.up.forward(x);
        let mut direct = x;
        for layer in &self.layers {
            y = y * layer.forward(y);
            direct = layer.forward(direct);
        }
        mse(y, x) + direct.mean()
    }
}

#[test]
fn a_loop_of_no_turns_one_and_several() {
    let x = tensor([2, 3], 1);
    verify!(Turns::<3, 0>::new(), x);
    verify!(Turns::<3, 1>::new(), x);
    verify!(Turns::<3, 4>::new(), x);
}

model! {
    LateUse<N> { up: Linear<N, N>, layers: [Linear<N, N>; 2] }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let start = self.up.forward(x);
        let mut a = start;
        let mut b = start;
        let mut idle = start;
        for layer in &self.layers {
            a = a * layer.forward(b);
            b = b + start;
        }
        (a * b * idle + start).mean() + mse(a, x)
    }
}

#[test]
fn a_loop_whose_values_are_used_before_and_after_it() {
    let x = tensor([2, 3], 1);
    verify!(LateUse::<3>::new(), x);
}

#[variational]
struct Unread<const N: usize, const LAYERS: usize> {
    up: Linear<N, N>,
    layers: [Linear<N, N>; LAYERS],
}

#[variational]
impl<const N: usize, const LAYERS: usize> Unread<N, LAYERS> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let start = self.up.forward(x);
        let captured = start * start;
        let mut last = x;
        for layer in &self.layers {
            last = layer.forward(captured);
        }
        mse(last, x) + last.mean()
    }
}

/// `captured` is read in the loop alone, and each iteration rebinds `last` without reading it.
#[test]
fn a_value_that_only_turns_of_a_loop_read_and_one_that_none_reads() {
    let x = tensor([2, 3], 1);
    verify!(Unread::<3, 0>::new(), x);
    verify!(Unread::<3, 1>::new(), x);
    verify!(Unread::<3, 3>::new(), x);
}
