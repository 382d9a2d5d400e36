//! Generated data, the same in every run.

use ivon_runtime::blr::{LogisticRegression, Matrix, Vector};
use ivon_runtime::noise::Noise;

/// `n` standard normals.
pub fn normals(seed: u64, n: usize) -> Vector {
    let mut noise = vec![0f32; n];
    Noise::of(seed, 0, 0).fill_normals(0, &mut noise);
    Vector::from_iterator(n, noise.into_iter().map(f64::from))
}

/// Logistic regression whose features have standard deviations from 1 to `spread`, evenly on a log scale; labels are noisy.
///
/// # Errors
/// None for one or more examples.
pub fn logistic_regression(examples: usize, features: usize, spread: f64) -> ivon_runtime::Result<LogisticRegression> {
    let plain = Matrix::from_column_slice(examples, features, normals(1, examples * features).as_slice());
    let truth = normals(2, features);
    let y = (&plain * &truth + normals(3, examples) * 2.0).map(|f| f64::from(f > 0.0));
    let scales = Vector::from_fn(features, |i, _| spread.powf(i as f64 / (features - 1) as f64));
    LogisticRegression::new(plain * Matrix::from_diagonal(&scales), y)
}
