//! Loops over a dimension: recurrent networks, lists, and loops over several arrays.

use crate::check::*;
use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::{cross_entropy, mse};
use ivon_runtime::prelude::*;

#[variational]
struct Lstm<const IN: usize, const H: usize> {
    input: Linear<IN, { 4 * H }>,
    hidden: Linear<H, { 4 * H }>,
}

#[variational]
impl<const IN: usize, const H: usize> Lstm<IN, H> {
    fn forward<B, T>(&self, x: Tensor<B, T, IN>, h0: Tensor<B, H>) -> Tensor<B, T, H> {
        let mut h = h0;
        let mut c = h0;
        let mut hs = Vec::new();
        for t in 0..T {
            let gates = self.input.forward(x.at(1, t)) + self.hidden.forward(h);
            let i = sigmoid(gates.slice(1, 0..H));
            let f = sigmoid(gates.slice(1, H..2 * H));
            let g = tanh(gates.slice(1, 2 * H..3 * H));
            let o = sigmoid(gates.slice(1, 3 * H..4 * H));
            c = f * c + i * g;
            h = o * tanh(c);
            hs.push(h);
        }
        stack(hs, 1)
    }
    fn loss<B, T>(&self, x: Tensor<B, T, IN>, h0: Tensor<B, H>, y: Tensor<B, T, H>) -> Tensor {
        mse(self.forward(x, h0), y)
    }
}

#[test]
fn an_lstm_of_any_number_of_steps() {
    for steps in [1, 2, 5] {
        let (x, h, y) = (tensor([2, steps, 2], 1), tensor([2, 3], 2), tensor([2, steps, 3], 3));
        verify!(Lstm::<2, 3>::new(), x, h, y);
    }
}

model! {
    Shifted<W> { tokens: Embedding<5, W>, head: Linear<W, 5> }
    fn loss<B, T>(&self, x: Tensor<B, T, W>, tokens: Ids<B, { T + 1 }>) -> Tensor {
        let first = self.tokens.forward(tokens.at(1, 0)).unsqueeze(1);
        let last = self.tokens.forward(tokens.slice(1, T..T + 1).squeeze(1)).unsqueeze(1);
        let flat = self.tokens.forward(tokens.slice(1, 0..T).reshape([B * T])).reshape([B, T, W]);
        cross_entropy(self.head.forward(x + first + last + tanh(flat)), tokens.slice(1, 1..T + 1))
    }
}

#[test]
fn parts_of_ids() {
    let x = tensor([2, 3, 2], 1);
    let tokens = Tensor::from_slice(&[4u32, 0, 2, 1, 3, 3, 0, 4], [2, 4]).unwrap();
    verify!(Shifted::<2>::new(), x; &tokens);
}

model! {
    Gru<H> { update: Linear<{ 2 * H }, H>, reset: Linear<{ 2 * H }, H>, candidate: Linear<{ 2 * H }, H>, h0: Parameter<H> }
    fn last<B, T>(&self, x: Tensor<B, T, H>) -> Tensor<B, H> {
        let mut h = self.h0 + 0.0 * x.at(1, 0);
        for t in 0..T {
            let x_t = x.at(1, t);
            let xh = concat([x_t, h], 1);
            let z = sigmoid(self.update.forward(xh));
            let r = sigmoid(self.reset.forward(xh));
            let n = tanh(self.candidate.forward(concat([x_t, r * h], 1)));
            h = (1.0 - z) * n + z * h;
        }
        h
    }
    fn loss<B, T>(&self, x: Tensor<B, T, H>) -> Tensor {
        self.last(x).mean()
    }
}

#[test]
fn a_gru_that_starts_from_a_parameter() {
    let x = tensor([1, 4, 3], 1);
    verify!(Gru::<3>::new(), x);
}

model! {
    UNet<N> { down: [Linear<N, N>; 3], up: [Linear<{ 2 * N }, N>; 3] }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut x = x;
        let mut skips = Vec::new();
        for down in &self.down {
            x = tanh(down.forward(x));
            skips.push(x);
        }
        for (up, skip) in self.up.iter().zip(skips.iter().rev()) {
            x = tanh(up.forward(concat([x, skip], 1)));
        }
        x.mean()
    }
}

#[test]
fn skips_are_collected_on_the_way_down_and_read_on_the_way_up() {
    let x = tensor([2, 3], 1);
    verify!(UNet::<3>::new(), x);
}

#[variational]
struct Pairs<const N: usize, const LAYERS: usize> {
    first: [Linear<N, N>; LAYERS],
    second: [Linear<N, N>; LAYERS],
}

#[variational]
impl<const N: usize, const LAYERS: usize> Pairs<N, LAYERS> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = x;
        for (a, b) in self.first.iter().zip(&self.second) {
            y = y + b.forward(tanh(a.forward(y)));
        }
        for (a, b) in self.first.iter().rev().zip(self.second.iter()) {
            y = a.forward(y) * b.forward(x);
        }
        for (i, (a, b)) in self.first.iter().zip(self.second.iter().rev()).enumerate() {
            y = tanh(a.forward(y) + b.forward(x)) * (i as f64 + 0.5);
        }
        for layer in self.first.iter().rev() {
            y = layer.forward(y);
        }
        for (i, layer) in self.second.iter().enumerate().rev() {
            y = y + layer.forward(y) / (1 + i) as f64 + self.first[i].forward(x) * self.second[LAYERS - 1 - i].forward(y);
        }
        y.mean()
    }
}

#[test]
fn two_arrays_in_every_order() {
    let x = tensor([2, 2], 1);
    verify!(Pairs::<2, 0>::new(), x);
    verify!(Pairs::<2, 1>::new(), x);
    verify!(Pairs::<2, 3>::new(), x);
}

#[variational]
struct Counted<const N: usize, const TIMES: usize> {
    cell: Linear<N, N>,
    layers: [Linear<N, N>; 3],
}

#[variational]
impl<const N: usize, const TIMES: usize> Counted<N, TIMES> {
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let mut y = x.at(1, 0);
        for _ in 0..TIMES {
            y = tanh(self.cell.forward(y));
        }
        for i in 0..3 {
            y = self.layers[i].forward(y) + self.layers[2 - i].forward(y * y) * i as f64;
        }
        let mut sums = vec![];
        for t in (1..T).rev() {
            let mut z = x.at(1, t) * t as f64;
            for s in 0..T - 1 {
                z = z * 0.5 + x.at(1, s + 1) * y;
            }
            sums.push(z);
        }
        for t in 0..T - 1 {
            y = y + sums[t] * sums[0];
        }
        (self.layers[1].forward(y) + stack([y, y * y], 2).sum(2)).mean() + stack(sums, 0).mean()
    }
}

#[test]
fn counters_and_places_of_arrays_and_lists() {
    let x = tensor([1, 2, 2], 1);
    verify!(Counted::<2, 3>::new(), x);
}

model! {
    Unread<N> { cell: Linear<N, N>, start: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let begin = self.start.forward(x.at(1, 0)) + x.at(1, 0);
        let mut h = begin;
        let mut idle = x.at(1, 0);
        let mut kept = Vec::new();
        let mut dropped = Vec::new();
        for t in 0..T {
            h = tanh(self.cell.forward(h) + begin);
            idle = idle * h;
            kept.push(h * x.at(1, t));
            dropped.push(idle);
        }
        let all = stack(kept, 1);
        all.mean()
    }
}

#[test]
fn values_of_a_loop_that_nothing_reads_after_it() {
    let x = tensor([2, 3, 2], 1);
    verify!(Unread::<2>::new(), x);
}

model! {
    Inner<N> { layers: [Linear<N, N>; 2], cell: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let mut y = x.at(1, 0);
        let mut all = Vec::new();
        for layer in &self.layers {
            let mut h = y;
            let mut hs = Vec::new();
            for t in 0..T {
                h = tanh(self.cell.forward(h) + layer.forward(x.at(1, t)));
                hs.push(h);
                all.push(h);
            }
            y = stack(hs, 1).mean(1);
        }
        (stack(all, 0) * y).mean()
    }
}

#[test]
fn lists_in_loops_within_loops() {
    let x = tensor([2, 3, 2], 1);
    verify!(Inner::<2>::new(), x);
}

model! {
    FromZeros<H> { cell: Linear<{ 2 * H }, { 4 * H }>, head: Linear<H, 1> }
    fn loss<B, T>(&self, x: Tensor<B, T, H>) -> Tensor {
        let mut h = zeros([B, H]);
        let mut c = zeros([B, H]);
        for t in 0..T {
            let gates = self.cell.forward(concat([x.at(1, t), h], 1));
            let i = sigmoid(gates.slice(1, 0..H));
            let f = sigmoid(gates.slice(1, H..2 * H));
            let o = sigmoid(gates.slice(1, 2 * H..3 * H));
            c = f * c + i * tanh(gates.slice(1, 3 * H..4 * H));
            h = o * tanh(c);
        }
        self.head.forward(h).mean()
    }
}

#[test]
fn a_state_that_starts_from_zeros() {
    let x = tensor([2, 3, 2], 1);
    verify!(FromZeros::<2>::new(), x);
    let x = tensor([2, 1, 2], 1);
    verify!(FromZeros::<2>::new(), x);
}

model! {
    Chain<N> { cell: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut a = ones([B, N]);
        let mut b = ones([B, N]);
        let mut c = ones([B, N]);
        for i in 0..5 {
            a = b;
            b = c;
            c = if i > 1 { self.cell.forward(x) * a } else { self.cell.forward(x * c) };
        }
        (a * b + c).mean()
    }
}

/// A value that depends on a parameter reaches `a` after two iterations.
#[test]
fn a_chain_of_carried_values_and_a_branch_on_the_iteration() {
    let x = tensor([2, 3], 1);
    verify!(Chain::<3>::new(), x);
}
