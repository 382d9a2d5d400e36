//! The equations of the module, each with its tolerance.

mod conjugate;
mod descent;
mod estimators;
mod families;
mod optimizers;
mod problems;
mod rule;
mod truth;

use super::{Matrix, Vector};
use crate::tensor::noise::Noise;

/// The largest difference, relative to the largest element or one.
fn difference(left: &Matrix, right: &Matrix) -> f64 {
    assert_eq!(left.shape(), right.shape());
    (left - right).amax() / left.amax().max(right.amax()).max(1.0)
}

#[track_caller]
fn assert_close(left: &Vector, right: &Vector, tolerance: f64) {
    assert_matrix(&column(left), &column(right), tolerance);
}

#[track_caller]
fn assert_matrix(left: &Matrix, right: &Matrix, tolerance: f64) {
    let found = difference(left, right);
    assert!(found <= tolerance, "{left} and {right} differ by {found:e}, more than {tolerance:e}");
}

#[track_caller]
fn assert_number(left: f64, right: f64, tolerance: f64) {
    let found = (left - right).abs() / left.abs().max(right.abs()).max(1.0);
    assert!(found <= tolerance, "{left} and {right} differ by {found:e}, more than {tolerance:e}");
}

fn column(v: &Vector) -> Matrix {
    Matrix::from_columns(std::slice::from_ref(v))
}

fn vector(values: &[f64]) -> Vector {
    Vector::from_row_slice(values)
}

fn matrix(rows: usize, values: &[f64]) -> Matrix {
    Matrix::from_row_slice(rows, values.len() / rows, values)
}

/// Standard normals for test data, the same in every run.
fn normals(seed: u64, n: usize) -> Vector {
    let mut noise = vec![0f32; n];
    Noise::of(seed, 0, 0).fill_normals(0, &mut noise);
    Vector::from_iterator(n, noise.into_iter().map(f64::from))
}

/// Test inputs `[rows, columns]`.
fn inputs(seed: u64, rows: usize, columns: usize) -> Matrix {
    Matrix::from_column_slice(rows, columns, normals(seed, rows * columns).as_slice())
}

/// The slope of a vector-valued function by central differences, `[outputs, inputs]`.
fn jacobian(f: impl Fn(&Vector) -> Vector, at: &Vector, step: f64) -> Matrix {
    let columns: Vec<Vector> = (0..at.len())
        .map(|i| {
            let moved = |by: f64| {
                let mut x = at.clone();
                x[i] += by;
                f(&x)
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        })
        .collect();
    Matrix::from_columns(&columns)
}

/// The gradient of a number by central differences.
fn slope(f: impl Fn(&Vector) -> f64, at: &Vector, step: f64) -> Vector {
    jacobian(|x| vector(&[f(x)]), at, step).transpose().column(0).into_owned()
}
