//! What the tests here compute with: a model in f64 with weights that are all different, and a row of four numbers.
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout};

/// The row.
pub const ROW: [f64; 4] = [1.0, -0.5, 2.0, 0.25];

/// The values of what a model computes of the row.
pub fn of(model: &impl Model, compute: impl Fn(&Context, &Tensor) -> Result<Tensor>) -> Vec<f64> {
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let layout = Layout::of(model);
    let mut weights = Flat::zeros(&layout, DType::F64).unwrap();
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = (i as f64 * 0.7).sin());
    cx.set_weights(&weights);
    compute(&cx, &Tensor::from_slice(&ROW, [1, 4]).unwrap()).unwrap().to_f64()
}

/// Asserts that two rows are equal to rounding.
#[track_caller]
pub fn equal(found: &[f64], right: &[f64]) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
    assert!(found.len() == right.len() && found.iter().zip(right).all(close), "{found:?}, but {right:?} is right");
}

/// The row, each number changed.
pub fn each(change: impl Fn(f64) -> f64) -> Vec<f64> {
    ROW.map(change).to_vec()
}
