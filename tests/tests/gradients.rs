//! Every construct of the model language: generated gradients, of parameters and of arguments, against central differences in f64.

use ivon_runtime::layers::{BatchNorm2d, Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{batch_norm, cross_entropy, linear, matmul, mse};
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout, gradcheck, running_statistics};

/// What differs by more than this, relative to 1 + |gradient|, is wrong: central differences in f64 err by about 1e-9 here.
const TOLERANCE: f64 = 1e-7;
const STEP: f64 = 1e-5;

/// Checks `model.loss(cx, tensors.., others..)`: gradients of all parameters and all tensors, planned and not, and with either left out.
macro_rules! verify {
    ($model:expr, $($x:ident),* $(; $($other:expr),*)?) => {{
        let model = $model;
        check(
            &model,
            [$(&$x),*],
            |cx, [$($x),*]| model.loss(cx, $($x,)* $($($other),*)?)?.item(),
            |cx, [$($x),*]| model.loss_gradient(cx, $($x,)* $($($other),*)?),
            |cx, [$($x),*], adjoints| {
                let (_, saved) = model.loss_saving(cx, $($x,)* $($($other),*)?)?;
                let [$($x),*] = adjoints;
                model.loss_backward(cx, saved, cx.filled([], 1.0)?, $($x),*)
            },
        )
    }};
}

fn check<M: Model, const N: usize>(
    model: &M,
    inputs: [&Tensor; N],
    evaluate: impl Fn(&Context, [&Tensor; N]) -> Result<f64>,
    gradient: impl Fn(&Context, [&Tensor; N]) -> Result<f64>,
    backward: impl Fn(&Context, [&Tensor; N], [&mut Adjoint; N]) -> Result<()>,
) {
    let layout = Layout::of(model);
    let cx = context();
    cx.set_running_statistics(Some(&running_statistics(model)));
    let values = numbers(layout.padded());
    let set = |values: &[f64]| {
        let mut weights = Flat::zeros(&layout, DType::F64);
        weights.as_mut_slice::<f64>().copy_from_slice(values);
        cx.set_weights(&weights);
    };
    let close = |what: &str, i: usize, found: f64, numeric: f64| {
        assert!(
            (found - numeric).abs() <= TOLERANCE * (1.0 + numeric.abs()),
            "{what} [{i}] is {found}; numerically it is {numeric}"
        );
    };

    // The planned step: twice, so that the second one runs in the arena; gradients add up.
    set(&values);
    let buffer = Flat::zeros(&layout, DType::F64);
    cx.set_gradient(Some(&buffer));
    let loss = evaluate(&cx, inputs).unwrap();
    for _ in 0..2 {
        assert_eq!(gradient(&cx, inputs).unwrap(), loss, "the loss of the gradient step is another one");
    }
    let planned = buffer.as_slice::<f64>().to_vec();

    // By hand, with the gradients of the arguments.
    let run = |parameters: bool, arguments: bool| {
        let buffer = Flat::zeros(&layout, DType::F64);
        cx.set_gradient(parameters.then_some(&buffer));
        let mut adjoints = inputs.map(|x| if arguments && x.dtype() == DType::F64 { Adjoint::new() } else { Adjoint::skip() });
        backward(&cx, inputs, adjoints.each_mut()).unwrap();
        let arguments: Vec<Option<Vec<f64>>> = adjoints.into_iter().map(|a| a.into_option().map(|t| t.to_f64())).collect();
        (buffer.as_slice::<f64>().to_vec(), arguments)
    };
    let (both, arguments) = run(true, true);
    assert_eq!(run(false, true).1, arguments, "gradients of arguments depend on whether those of parameters are wanted");
    assert_eq!(run(true, false).0, both, "gradients of parameters depend on whether those of arguments are wanted");
    cx.set_gradient(None);

    for entry in layout.entries() {
        let name = entry.parameter.name();
        for i in entry.offset..entry.offset + entry.parameter.shape().elements() {
            let at = |h: f64| {
                let mut moved = values.clone();
                moved[i] += h;
                set(&moved);
                evaluate(&cx, inputs).unwrap()
            };
            let numeric = if entry.parameter.frozen() { 0.0 } else { (at(STEP) - at(-STEP)) / (2.0 * STEP) };
            close(name, i - entry.offset, both[i], numeric);
            close(&format!("twice {name}"), i - entry.offset, planned[i], 2.0 * numeric);
        }
    }
    set(&values);
    for (k, x) in inputs.iter().enumerate().filter(|(_, x)| x.dtype() == DType::F64) {
        let found = arguments[k].clone().unwrap_or(vec![0.0; x.shape().elements()]);
        for i in 0..x.shape().elements() {
            let at = |h: f64| {
                let mut moved = x.to_f64();
                moved[i] += h;
                let moved = Tensor::from_slice(&moved, *x.shape()).unwrap();
                let mut inputs = inputs;
                inputs[k] = &moved;
                evaluate(&cx, inputs).unwrap()
            };
            close(&format!("argument {k}"), i, found[i], (at(STEP) - at(-STEP)) / (2.0 * STEP));
        }
    }
}

fn context() -> Context {
    Context::new(Device::Cpu, DType::F64).unwrap()
}

/// Made-up numbers in (-0.6, 0.6).
fn numbers(count: usize) -> Vec<f64> {
    gradcheck::tensor(&context(), [count], 5).unwrap().to_f64().iter().map(|x| 0.6 * x).collect()
}

fn tensor<const RANK: usize>(shape: [usize; RANK], seed: u64) -> Tensor {
    gradcheck::tensor(&context(), shape, seed).unwrap()
}

/// Declares a model with one dimension, and its functions.
macro_rules! model {
    ($name:ident<$n:ident> { $($fields:tt)* } $($functions:tt)*) => {
        #[variational]
        struct $name<const $n: usize> { $($fields)* }
        #[variational]
        impl<const $n: usize> $name<$n> { $($functions)* }
    };
}

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

model! {
    Direct<N> { matrix: Parameter<N, { 2 * N }>, vector: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let left = self.matrix.slice(1, 0..N);
        let right = self.matrix.slice(1, N..2 * N).transpose(0, 1);
        let flat = self.matrix.reshape([2, N * N]).mean(0).reshape([N, N]);
        let joined = concat([self.vector, self.vector, self.vector * self.vector], 0).slice(0, 1..N + 1);
        let weight = left * right - flat / (2.0 + self.vector);
        mse(linear(x, weight, self.vector), x + joined + self.matrix.sum(1)) + self.vector.mean()
    }
}

#[test]
fn a_parameter_in_arithmetic_reshape_slice_and_concat() {
    let x = tensor([2, 3], 1);
    verify!(Direct::<3>::new(), x);
}

#[variational]
struct Optional<const N: usize, const BIAS: bool> {
    weight: Parameter<N, N>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<N>>,
    norm: LayerNorm<N, BIAS>,
    up: Linear<N, N, BIAS>,
}

#[variational]
impl<const N: usize, const BIAS: bool> Optional<N, BIAS> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = linear(x, self.weight, self.bias);
        mse(self.up.forward(self.norm.forward(y)), x)
    }
}

#[test]
fn an_optional_parameter_is_there_or_absent() {
    let x = tensor([2, 3], 1);
    assert_eq!(Optional::<3, true>::new().parameters().len(), 6);
    assert_eq!(Optional::<3, false>::new().parameters().len(), 3);
    verify!(Optional::<3, true>::new(), x);
    verify!(Optional::<3, false>::new(), x);
}

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
    Own<N> { up: Linear<N, N>, #[parameter(frozen)] fixed: Parameter<N> }
    fn encode<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        tanh(self.up.forward(x) + self.fixed)
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        mse(self.encode(self.encode(x)), self.up.forward(self.encode(x)))
    }
}

#[test]
fn own_methods_a_layer_used_twice_and_a_frozen_parameter() {
    let x = tensor([2, 3], 1);
    verify!(Own::<3>::new(), x);
}

model! {
    Intrinsics<N> { scale: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = x * self.scale;
        let smooth = exp(y) + ln(2.0 + y * y) + sqrt(1.5 + y) + tanh(y) + sigmoid(y) + erf(y) + sin(y) + y.cos();
        let bent = abs(y) + relu(y - 0.01) + max(y, 0.3 * x) + min(y, self.scale) + y.max(0.05).min(x);
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

model! {
    Inner<N> { up: Linear<N, N>, layers: [Linear<N, N>; 2] }
    fn step<B>(&self, x: Tensor<B, N>, state: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>) {
        let mut y = x + state;
        for layer in &self.layers {
            y = tanh(layer.forward(y));
        }
        (self.up.forward(y), y * state)
    }
}

model! {
    Outer<N> { cells: [Inner<N>; 2], last: Inner<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = x;
        let mut state = x * x;
        for cell in &self.cells {
            let (out, next) = cell.step(y, state);
            y = out;
            state = next;
        }
        let (out, _) = self.last.step(y, state);
        mse(out, state)
    }
}

#[test]
fn models_of_models_with_tuples_in_loops() {
    let x = tensor([2, 3], 1);
    verify!(Outer::<3>::new(), x);
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
struct Tied<const VOCAB: usize, const N: usize> {
    tokens: Embedding<VOCAB, N>,
    positions: Parameter<6, N>,
}

#[variational]
impl<const VOCAB: usize, const N: usize> Tied<VOCAB, N> {
    fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>, noise: Tensor<N>) -> Tensor {
        let x = self.tokens.forward(ids) + self.positions.slice(0, 0..T) + noise;
        cross_entropy(self.tokens.attend(x), targets)
    }
}

#[test]
fn tied_parameters_and_ids() {
    let ids = Tensor::from_slice(&[1u32, 4, 2, 0, 3, 3], [2, 3]).unwrap();
    let targets = Tensor::from_slice(&[4u32, 2, 0, 3, 3, 1], [2, 3]).unwrap();
    let noise = tensor([4], 1);
    let model = Tied::<5, 4>::new();
    let call = |cx: &Context, x: &Tensor| model.loss(cx, &ids, &targets, x)?.item();
    check(
        &model,
        [&noise],
        |cx, [x]| call(cx, x),
        |cx, [x]| model.loss_gradient(cx, &ids, &targets, x),
        |cx, [x], [d_x]| {
            let (_, saved) = model.loss_saving(cx, &ids, &targets, x)?;
            model.loss_backward(cx, saved, cx.filled([], 1.0)?, d_x)
        },
    );
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

/// `captured` is read in the loop alone, and each turn rebinds `last` without reading it.
#[test]
fn a_value_that_only_turns_of_a_loop_read_and_one_that_none_reads() {
    let x = tensor([2, 3], 1);
    verify!(Unread::<3, 0>::new(), x);
    verify!(Unread::<3, 1>::new(), x);
    verify!(Unread::<3, 3>::new(), x);
}

#[test]
fn residual_blocks_of_convolutions() {
    let x = tensor([1, 9, 8, 3], 1);
    verify!(ivon_tests::residual::Residual::<2>::new(), x);
}

/// Sizes of images that only a call tells.
#[test]
fn images_that_are_smaller_than_a_kernel_are_refused() {
    let cx = context();
    let layer = ivon_runtime::layers::Conv2d::<3, 2, 5, 1, 1>::new();
    cx.set_weights(&Flat::zeros(&Layout::of(&layer), DType::F64));
    let forward = |height: usize| layer.forward(&cx, &cx.zeros([1, height, 8, 3])?);
    assert_eq!(&forward(3).unwrap().shape()[..], [1, 1, 6, 2]);
    let message = forward(2).unwrap_err().to_string();
    for part in ["conv2d", "height of 2", "padded by 1", "kernel of 5"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

model! {
    BatchNorm<N> {
        up: Linear<N, N>,
        norm: BatchNorm2d<N>,
        gain: Parameter<N>,
        running_mean: Buffer<N>,
        #[buffer(init = constant(0.7))]
        running_variance: Buffer<N>
    }
    fn loss<B>(&self, x: Tensor<B, 2, 1, N>) -> Tensor {
        let y = self.up.forward(self.norm.forward(x)) * x;
        let y = batch_norm(y, self.gain, None, self.running_mean, self.running_variance, 0.1, 1e-3);
        (y * y * y).mean()
    }
}

/// Outside of training: each row for itself.
#[test]
fn batch_norm_with_the_running_statistics() {
    let x = tensor([3, 2, 1, 4], 1);
    verify!(BatchNorm::<4>::new(), x);
}

/// In training: every output depends on every row.
#[test]
fn batch_norm_with_the_statistics_of_the_batch() {
    let x = tensor([3, 2, 1, 4], 1);
    let model = BatchNorm::<4>::new();
    let train = |cx: &Context| cx.set_training(true);
    check(
        &model,
        [&x],
        |cx, [x]| {
            train(cx);
            model.loss(cx, x)?.item()
        },
        |cx, [x]| {
            train(cx);
            model.loss_gradient(cx, x)
        },
        |cx, [x], [d_x]| {
            train(cx);
            let (_, saved) = model.loss_saving(cx, x)?;
            model.loss_backward(cx, saved, cx.filled([], 1.0)?, d_x)
        },
    );
}

/// Layers that stand for type parameters, alone, in loops and within each other.
#[test]
fn models_with_type_parameters() {
    use ivon_tests::stack::{Around, Both, Stack};
    let x = tensor([3, 4], 1);
    verify!(Both::<4>::new(), x);
    verify!(Stack::<Around<LayerNorm>, 4, 1>::new(), x);
    let (norms, products) = (Stack::<LayerNorm, 4>::new(), Stack::<Linear, 4>::new());
    let names = |parameters: Vec<&ivon_runtime::Parameter>| parameters.iter().map(|p| p.name().to_string()).collect::<Vec<_>>();
    let expected = ["layers.0.inner.gain", "layers.0.inner.bias", "layers.1.inner.gain", "layers.1.inner.bias", "scale"];
    assert_eq!(names(norms.parameters()), expected);
    assert_eq!(names(products.parameters()), expected.map(|n| n.replace("gain", "weight")));
}

/// Two models of one name, dimensions and number of settings, with other layers: each step has a plan of its own.
#[test]
fn steps_of_models_with_other_layers_are_told_apart() {
    use ivon_runtime::StepKey;
    use ivon_tests::stack::Stack;
    let key = |name| (StepKey::of(name, &Stack::<LayerNorm, 4>::new()), StepKey::of(name, &Stack::<Linear, 4>::new()));
    let (norms, products) = key("Stack::loss");
    assert_ne!(norms, products);
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

/// With the joined ends in all their forms: a residual that is read before, one that is made after the call, both of them norms, a residual that is the norm's
/// own argument, and a norm that is read twice, which stays apart.
#[variational]
struct Joined<const N: usize> {
    norms: [BatchNorm2d<N>; 2],
    first: BatchNorm2d<N>,
    second: BatchNorm2d<N>,
    map: Linear<N, N>,
}

#[variational]
impl<const N: usize> Joined<N> {
    fn loss<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        let mut y = relu(self.first.forward(x));
        for norm in &self.norms {
            y = relu(self.map.forward(y) + norm.forward(y));
        }
        let z = self.first.forward(y);
        y = relu(z + self.map.forward(y));
        y = relu(self.first.forward(self.map.forward(y)) + self.second.forward(y));
        y = relu(y + self.second.forward(y));
        let z = self.second.forward(y);
        (relu(z) * z).mean()
    }
}

#[test]
fn norms_that_take_in_residual_and_relu() {
    let x = tensor([3, 2, 1, 4], 1);
    let model = Joined::<4>::new();
    verify!(Joined::<4>::new(), x);
    let train = |cx: &Context| cx.set_training(true);
    check(
        &model,
        [&x],
        |cx, [x]| {
            train(cx);
            model.loss(cx, x)?.item()
        },
        |cx, [x]| {
            train(cx);
            model.loss_gradient(cx, x)
        },
        |cx, [x], [d_x]| {
            train(cx);
            let (_, saved) = model.loss_saving(cx, x)?;
            model.loss_backward(cx, saved, cx.filled([], 1.0)?, d_x)
        },
    );
}
