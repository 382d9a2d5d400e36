//! Steps as graphs: a graph is replayed only for the step that it was captured from.

#[path = "shared/compare.rs"]
mod compare;

use compare::{look_for_the_emulator, numbers};
use half::bf16;
use ivon_runtime::layers::{BatchNorm2d, Conv2d, Dropout, Linear};
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout, Pass, StepKey, running_statistics};
use std::cell::Cell;

/// Losses that differ in one thing each, of a model of images [B, H, W, N].
#[variational]
pub struct Losses<const N: usize> {
    #[parameter(init = normal(0.7))]
    w: Parameter<N>,
    linear: Linear<N, N>,
    conv: Conv2d<N, N, 3, 1, 1>,
    norm: BatchNorm2d<N>,
    dropout: Dropout,
    #[setting(1.0)]
    pub factor: f64,
}

#[variational]
impl<const N: usize> Losses<N> {
    pub fn with_tanh<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (tanh(x * self.w) * self.w).mean()
    }
    pub fn with_sin<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (sin(x * self.w) * self.w).mean()
    }
    pub fn doubled<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (2.0 * (tanh(x * self.w) * self.w)).mean()
    }
    pub fn scaled<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (self.factor * (tanh(x * self.w) * self.w)).mean()
    }
    pub fn multiplied<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (tanh(self.linear.forward(x)) * self.w).mean()
    }
    pub fn convolved<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (tanh(self.conv.forward(x)) * self.w).mean()
    }
    pub fn normalised<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (tanh(self.norm.forward(x)) * self.w).mean()
    }
    pub fn dropped<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        (self.dropout.forward(x * self.w) * self.w).mean()
    }
}

const N: usize = 8;

/// A step of this loss. Losses that allocate the same share a key, so that it does not tell them apart.
fn step(loss: usize, model: &Losses, cx: &Context, x: &Tensor) -> Result<f64> {
    let key = StepKey::from("loss").and(loss.saturating_sub(3) as u64);
    macro_rules! step {
        ($saving:ident, $backward:ident) => {
            cx.differentiated(
                key,
                &[x],
                |cx| model.$saving(cx, &cx.input(x)?),
                |cx, saved, d| model.$backward(cx, saved, d, &mut Adjoint::skip()),
            )
        };
    }
    match loss {
        0 => step!(with_tanh_saving, with_tanh_backward),
        1 => step!(with_sin_saving, with_sin_backward),
        2 => step!(doubled_saving, doubled_backward),
        3 => step!(scaled_saving, scaled_backward),
        4 => step!(multiplied_saving, multiplied_backward),
        5 => step!(convolved_saving, convolved_backward),
        6 => step!(normalised_saving, normalised_backward),
        _ => step!(dropped_saving, dropped_backward),
    }
}

const LOSSES: usize = 8;

/// A context with two sets of weights, gradients and running statistics.
struct Bench {
    cx: Context,
    weights: [Flat; 2],
    gradients: [Flat; 2],
    running: [Flat; 2],
}

impl Bench {
    fn new(model: &Losses, device: Device, dtype: DType) -> Bench {
        let cx = Context::new(device, dtype).unwrap();
        let layout = Layout::of(model);
        let weights = |seed| {
            let values = numbers(&[layout.padded()], seed);
            let values = values.as_slice::<f32>();
            let mut flat = Flat::zeros(&layout, cx.dtype()).unwrap();
            match cx.dtype() {
                DType::Bf16 => flat.as_mut_slice::<bf16>().iter_mut().zip(values).for_each(|(to, x)| *to = bf16::from_f32(*x)),
                _ => flat.as_mut_slice::<f32>().copy_from_slice(values),
            }
            flat.moved_to(&cx).unwrap()
        };
        let gradient = || Flat::zeros_in(&cx, &layout, cx.dtype()).unwrap();
        let running = || running_statistics(model).unwrap().moved_to(&cx).unwrap();
        let (weights, gradients) = ([weights(1), weights(2)], [gradient(), gradient()]);
        let running = [running(), running()];
        let bench = Bench { cx, weights, gradients, running };
        bench.choose(0, 0, 0);
        bench
    }

    fn choose(&self, weights: usize, gradient: usize, running: usize) {
        self.cx.set_weights(&self.weights[weights]);
        self.cx.set_gradient(Some(&self.gradients[gradient]));
        self.cx.set_running_statistics(Some(&self.running[running]));
    }

    /// All numbers that steps have written.
    fn written(&self) -> Vec<f64> {
        let flats = self.gradients.iter().chain(&self.running);
        let all = flats.flat_map(|flat| flat.layout().entries().iter().map(move |entry| flat.tensor(&entry.parameter)));
        all.flat_map(|tensor| tensor.to_f64()).collect()
    }
}

fn model() -> Losses {
    let mut model = Losses::build(N).unwrap();
    model.dropout.rate = 0.3;
    model
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_graph_is_not_replayed_for_a_step_with_another_kernel() {
    if !look_for_the_emulator() {
        return;
    }
    let model = model();
    let x = numbers(&[1, 2, 2, N], 3);
    for other in [1, 2] {
        let run = |device| {
            let bench = Bench::new(&model, device, DType::F32);
            let losses: Vec<f64> = [0, 0, 0, 0, other].map(|loss| step(loss, &model, &bench.cx, &x).unwrap()).to_vec();
            (losses, bench.written())
        };
        let (expected, found) = (run(Device::Cpu), run(Device::Cuda(0)));
        for (found, expected) in found.0.iter().chain(&found.1).zip(expected.0.iter().chain(&expected.1)) {
            assert!((found - expected).abs() < 1e-5, "{found} as graphs, {expected} on the CPU");
        }
        assert!((expected.0[4] - expected.0[3]).abs() > 1e-3, "the two losses differ");
    }
}

/// A generator of test cases.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Everything that decides what a step does, beside its inputs' numbers.
#[derive(Clone, Copy, Debug)]
struct Setup {
    loss: usize,
    rows: usize,
    factor: f64,
    rate: f64,
    momentum: f64,
    scale: f64,
    training: bool,
    flats: [usize; 3],
}

impl Setup {
    const FIRST: Setup =
        Setup { loss: 0, rows: 2, factor: 1.0, rate: 0.3, momentum: 0.1, scale: 1.0, training: true, flats: [0; 3] };

    /// The number of ways to change it in one thing.
    const CHANGES: usize = 9;

    /// The same with one thing changed.
    fn changed(mut self, change: usize, dice: &mut Dice) -> Setup {
        match change {
            0 => self.loss = (self.loss + 1 + dice.below(LOSSES - 1)) % LOSSES,
            1 => self.rows = 1 + self.rows % 3,
            2 => self.factor = if self.factor == 1.0 { 2.0 } else { 1.0 },
            3 => self.rate = if self.rate == 0.3 { 0.5 } else { 0.3 },
            4 => self.momentum = if self.momentum == 0.1 { 0.4 } else { 0.1 },
            5 => self.scale = if self.scale == 1.0 { 0.25 } else { 1.0 },
            6 => self.training = !self.training,
            7 => self.flats[dice.below(2)] ^= 1,
            _ => self.flats[2] ^= 1,
        }
        self
    }

    /// Something else in everything but the loss.
    fn random(loss: usize, dice: &mut Dice) -> Setup {
        let first = Setup { loss, ..Setup::FIRST };
        (1..Setup::CHANGES)
            .filter(|change| *change != 6 && dice.below(2) == 0)
            .collect::<Vec<_>>()
            .into_iter()
            .fold(first, |setup, change| setup.changed(change, dice))
    }

    fn run(self, model: &mut Losses, bench: &Bench, number: u32) -> Result<f64> {
        (model.factor, model.dropout.rate, model.norm.momentum) = (self.factor, self.rate, self.momentum);
        let [weights, gradient, running] = self.flats;
        bench.choose(weights, gradient, running);
        bench.cx.set_training(self.training);
        bench.cx.set_loss_scale(self.scale);
        bench.cx.set_pass(Pass { seed: 5, step: number, pass: 0 });
        step(self.loss, model, &bench.cx, &numbers(&[self.rows, 2, 2, N], number as u64 % 3))
    }
}

/// Random sequences of steps, each as a graph where the runtime takes one, are those of steps kernel by kernel, to the bit. A setup is
/// taken until it is replayed, then one that differs in one thing, then the first again: every loss with every change.
#[test]
fn any_sequence_of_steps_is_the_same_replayed_and_eager() {
    if !look_for_the_emulator() {
        return;
    }
    for (seed, dtype, share) in [(1, DType::F32, 1), (2, DType::Bf16, 4)] {
        let (mut dice, mut model) = (Dice(seed), model());
        let [replayed, eager] = [true, false].map(|graphs| {
            let bench = Bench::new(&model, Device::Cuda(0), dtype);
            bench.cx.set_graphs(graphs);
            bench
        });
        let mut number = 0;
        let mut captured = 0;
        for pair in 0..LOSSES * Setup::CHANGES {
            let (loss, change) = (pair % LOSSES, pair / LOSSES);
            if dice.below(share) > 0 {
                continue;
            }
            let setup = Setup::random(loss, &mut dice);
            let other = setup.changed(change, &mut dice);
            // The places of batches take turns, so that the fifth step is a replay.
            for (setup, times) in [(setup, 5), (other, 2), (setup, 1)] {
                for _ in 0..times {
                    number += 1;
                    let [found, expected] = [&replayed, &eager].map(|bench| setup.run(&mut model, bench, number).unwrap());
                    assert_eq!(found.to_bits(), expected.to_bits(), "seed {seed}, step {number}: the losses of {setup:?}");
                    let [found, expected] = [&replayed, &eager].map(|bench| bits(&bench.written()));
                    assert!(found == expected, "seed {seed}, step {number}: the gradients of {setup:?}");
                }
            }
            captured = captured.max(replayed.cx.graphs());
        }
        assert!(captured > 3, "too few steps were captured: {captured}");
        assert_eq!(eager.cx.graphs(), 0);
    }
}

/// A step that hides something from the dry run: it does other things in it than afterwards.
#[test]
fn the_check_finds_a_step_that_its_graph_does_not_do() {
    if !look_for_the_emulator() {
        return;
    }
    let ([model, mut other], x) = ([model(), model()], numbers(&[1, 2, 2, N], 3));
    other.factor = 2.0;
    let run = |check: bool| {
        let bench = Bench::new(&model, Device::Cuda(0), DType::F32);
        bench.cx.set_check_graphs(check);
        // The number of passes that were no dry runs.
        let calls = Cell::new(0);
        let take = || {
            bench.cx.differentiated(
                "hides its factor",
                &[&x],
                |cx| model.scaled_saving(cx, &x),
                |cx, saved, d| {
                    calls.set(calls.get() + usize::from(!cx.planning()));
                    let model = if calls.get() > 6 && !cx.planning() { &other } else { &model };
                    model.scaled_backward(cx, saved, d, &mut Adjoint::skip())
                },
            )
        };
        (0..12).try_for_each(|_| take().map(drop))
    };
    run(false).unwrap();
    let error = run(true).unwrap_err().to_string();
    for part in ["hides its factor", "the gradient of `w`", "kernel by kernel"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_check_lets_good_steps_pass_with_the_same_results() {
    if !look_for_the_emulator() {
        return;
    }
    let run = |check: bool| {
        let mut model = model();
        let bench = Bench::new(&model, Device::Cuda(0), DType::F32);
        bench.cx.set_check_graphs(check);
        let losses: Vec<f64> = (1..13)
            .map(|number| Setup { loss: [6, 7][number as usize / 7], ..Setup::FIRST }.run(&mut model, &bench, number).unwrap())
            .collect();
        assert!(bench.cx.graphs() > 0);
        (bits(&losses), bits(&bench.written()))
    };
    assert!(run(true) == run(false));
}

#[test]
fn a_tensor_that_is_still_held_is_not_overwritten_by_a_replay() {
    if !look_for_the_emulator() {
        return;
    }
    let (model, x) = (model(), numbers(&[1, 2, 2, N], 3));
    let bench = Bench::new(&model, Device::Cuda(0), DType::F32);
    (0..6).try_for_each(|_| step(0, &model, &bench.cx, &x).map(drop)).unwrap();
    let held = bench.cx.planned("kept", &[], |cx| cx.filled([4], 1.0)).unwrap();
    let error = step(0, &model, &bench.cx, &x).unwrap_err().to_string();
    assert!(error.contains("still held"), "{error}");
    drop(held);
    step(0, &model, &bench.cx, &x).unwrap();
}

/// The forward or backward pass panics in a dry run, in a step kernel by kernel, or while its launches are captured.
#[test]
fn a_panic_anywhere_in_a_step_leaves_a_gpu_that_computes() {
    if !look_for_the_emulator() {
        return;
    }
    let (model, x) = (model(), numbers(&[1, 2, 2, N], 3));
    let eager = Bench::new(&model, Device::Cuda(0), DType::F32);
    eager.cx.set_graphs(false);
    let expected = step(0, &model, &eager.cx, &x).unwrap();
    let mut in_captures = 0;
    for moment in 1.. {
        let bench = Bench::new(&model, Device::Cuda(0), DType::F32);
        let passes = Cell::new(0);
        let pass = || {
            passes.set(passes.get() + 1);
            assert!(passes.get() != moment, "a mistake in a model");
        };
        let take = || {
            bench.cx.differentiated(
                "panics once",
                &[&x],
                |cx| {
                    pass();
                    model.with_tanh_saving(cx, &x)
                },
                |cx, saved, d| {
                    pass();
                    model.with_tanh_backward(cx, saved, d, &mut Adjoint::skip())
                },
            )
        };
        let panicked = (0..6).any(|_| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(take));
            result.is_err()
        });
        if !panicked {
            break;
        }
        in_captures += usize::from(bench.cx.graphs() == 0 && moment > 6);
        for number in 1..7 {
            assert_eq!(take().unwrap(), expected, "step {number} after a panic in pass {moment}");
        }
        assert!(bench.cx.graphs() > 0, "no step is captured after a panic in pass {moment}");
    }
    assert!(in_captures > 0, "no panic came before the first graph");
}
