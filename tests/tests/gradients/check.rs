//! The check of every test here: generated gradients against central differences.

use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout, gradcheck, running_statistics};

/// The largest difference, relative to 1 + |gradient|: central differences in f64 err by about 1e-9 here.
const TOLERANCE: f64 = 1e-7;
const STEP: f64 = 1e-5;

/// Checks `model.loss(cx, tensors.., others..)`: gradients of all parameters and all tensors, planned and not, and with either left out.
macro_rules! verify {
    ($($all:tt)*) => { verify_in!(false, $($all)*) };
}

/// The same in training.
macro_rules! verify_training {
    ($($all:tt)*) => { verify_in!(true, $($all)*) };
}

macro_rules! verify_in {
    ($training:literal, $model:expr, $($x:ident),* $(; $($other:expr),*)?) => {{
        let model = $model;
        check(
            &model,
            $training,
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

pub fn check<M: Model, const N: usize>(
    model: &M,
    training: bool,
    inputs: [&Tensor; N],
    evaluate: impl Fn(&Context, [&Tensor; N]) -> Result<f64>,
    gradient: impl Fn(&Context, [&Tensor; N]) -> Result<f64>,
    backward: impl Fn(&Context, [&Tensor; N], [&mut Adjoint; N]) -> Result<()>,
) {
    let layout = Layout::of(model);
    let cx = context();
    cx.set_training(training);
    cx.set_running_statistics(Some(&running_statistics(model).unwrap()));
    let values = numbers(layout.padded());
    let set = |values: &[f64]| {
        let mut weights = Flat::zeros(&layout, DType::F64).unwrap();
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
    let buffer = Flat::zeros(&layout, DType::F64).unwrap();
    cx.set_gradient(Some(&buffer));
    let loss = evaluate(&cx, inputs).unwrap();
    for _ in 0..2 {
        assert_eq!(gradient(&cx, inputs).unwrap(), loss, "the loss of the gradient step is another one");
    }
    let planned = buffer.as_slice::<f64>().to_vec();

    // By hand, with the gradients of the arguments.
    let run = |parameters: bool, arguments: bool| {
        let buffer = Flat::zeros(&layout, DType::F64).unwrap();
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

pub fn context() -> Context {
    Context::new(Device::Cpu, DType::F64).unwrap()
}

/// Made-up numbers in (-0.6, 0.6).
fn numbers(count: usize) -> Vec<f64> {
    gradcheck::tensor(&context(), [count], 5).unwrap().to_f64().iter().map(|x| 0.6 * x).collect()
}

pub fn tensor<const RANK: usize>(shape: [usize; RANK], seed: u64) -> Tensor {
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
