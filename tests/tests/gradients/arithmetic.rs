//! Arithmetic, shapes and functions of one's own.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::linear;
use ivon_runtime::prelude::*;

model! {
    Numbers<N> { up: Linear<N, N>, #[setting(1.5)] slope: f64, #[setting(3)] count: usize }
    fn scaled<B>(&self, x: Tensor<B, N>, factor: f64, count: usize) -> Tensor<B, N> {
        factor * x / count + powf(1.2 + x * x, factor) * (1.0 - 2.0 * factor)
    }
    fn loss<B>(&self, x: Tensor<B, N>, rate: f64, power: usize) -> Tensor {
        let y = self.scaled(self.up.forward(x), rate + self.slope, self.count);
        (y * rate - self.slope * x * power).mean() * exp(rate)
    }
}

#[test]
fn numbers_as_arguments_and_settings() {
    let x = tensor([2, 3], 1);
    verify!(Numbers::<3>::new(), x; 0.7, 2);
}

model! {
    Symbolic<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>) -> Tensor {
        let pooled = self.up.forward(x * T).sum(1) / T;
        let last = x.slice(1, T - 1..T).reshape([B, N]);
        (pooled * last).sum() / (B * N)
    }
}

#[test]
fn symbolic_dimensions_in_arithmetic() {
    let x = tensor([2, 4, 3], 1);
    verify!(Symbolic::<3>::new(), x);
}

model! {
    Broadcast<N> { row: Parameter<N>, table: Parameter<4, N>, up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, 4, N>, y: Tensor<4, N>, z: Tensor<N>, s: Tensor) -> Tensor {
        let wide = self.up.forward(z);
        let a = (x * self.row + y) * z;
        let b = exp(0.1 * self.table) * x - wide / (2.0 + x * x);
        (a * b + s * self.table * y + (self.row * z) * s).mean()
    }
}

#[test]
fn broadcasting_over_leading_dimensions() {
    let (x, y, z, s) = (tensor([2, 4, 3], 1), tensor([4, 3], 2), tensor([3], 3), tensor([], 4));
    verify!(Broadcast::<3>::new(), x, y, z, s);
}

model! {
    Intrinsics<N> { scale: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = x * self.scale;
        let smooth = exp(y) + ln(2.0 + y * y) + sqrt(1.5 + y) + tanh(y) + sigmoid(y) + erf(y) + sin(y) + y.cos();
        let bent = abs(y) + relu(y - 0.01) + max(y, 0.3 * x) + min(y, self.scale) + min(max(y, 0.05), x);
        (smooth * bent / (2.0 + powf(y, 2.0)) + (1.2 + x).powf(1.7) - powf(y, 3.0)).mean() - (-y).sum()
    }
}

#[test]
fn every_intrinsic() {
    let x = tensor([3, 4], 1);
    verify!(Intrinsics::<4>::new(), x);
}

model! {
    Structural<N> { up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, 4, N>) -> Tensor {
        let y = self.up.forward(x);
        let overlapping = y.slice(1, 0..3) * y.slice(1, 1..4);
        let doubled = concat([y, y, x], 2);
        let turned = doubled.transpose(1, 2).reshape([B, 3, N, 4]).mean(2).sum(1);
        overlapping.mean() + (turned * turned).sum() / B + y.transpose(0, 2).sum(0).mean(0).sum(0)
    }
}

#[test]
fn reshape_transpose_slice_concat_sum_and_mean() {
    let x = tensor([2, 4, 3], 1);
    verify!(Structural::<3>::new(), x);
}

/// x sigmoid(beta x)
#[variational]
fn swish<Rest: Dims>(x: Tensor<Rest>, beta: f64) -> Tensor<Rest> {
    let gate = sigmoid(beta * x);
    x * gate
}

#[variational]
fn twice_swish<Rest: Dims>(x: Tensor<Rest>, y: Tensor<Rest>) -> Tensor<Rest> {
    swish(x, 1.7) * swish(y, 0.3) + x
}

#[variational]
fn bilinear<B, N>(x: Tensor<B, N>, weight: Tensor<N, N>, scale: f64) -> (Tensor<B, N>, Tensor<B>) {
    let y = linear(x, weight, None);
    (scale * y, (x * y).sum(1))
}

model! {
    Functions<N> { weight: Parameter<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let (y, energy) = bilinear(x, self.weight, 0.7);
        twice_swish(y, x).mean() + swish(energy, 2.0).sum() + twice_swish(y, y).mean()
    }
}

#[test]
fn own_functions_pointwise_and_composed() {
    let x = tensor([2, 3], 1);
    verify!(Functions::<3>::new(), x);
}

#[variational]
struct FromOutput<const N: usize> {
    layers: [Linear<N, N>; 7],
    last: Linear<N, N>,
}

#[variational]
impl<const N: usize> FromOutput<N> {
    fn loss<B>(&self, x: Tensor<B, N>, slope: f64) -> Tensor {
        let mut y = x;
        for layer in &self.layers {
            y = relu(layer.forward(y));
            y = tanh(layer.forward(y));
            y = sqrt(1.5 + layer.forward(y));
            y = exp(slope * layer.forward(y));
            y = sigmoid(layer.forward(y));
            y = min(layer.forward(y), 0.4);
            y = max(y + layer.forward(y), 0.2);
        }
        (y * self.last.forward(y)).sum()
    }
}

/// Kernels whose derivative can be told from what they made, which is kept instead of what they read.
#[test]
fn kernels_that_read_their_output() {
    let x = tensor([2, 3], 1);
    verify!(FromOutput::<3>::new(), x; 0.3);
}
