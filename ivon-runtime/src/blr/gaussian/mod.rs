//! Gaussians: full, diagonal, isotropic, and with a fixed covariance.

mod diagonal;
mod fixed;
mod full;
mod isotropic;

pub use diagonal::DiagonalGaussian;
pub use fixed::FixedGaussian;
pub use full::FullGaussian;
pub use isotropic::IsotropicGaussian;

use super::{Family, Matrix, Vector};
use crate::core::error::{Error, Result};

/// log 2π.
pub(super) const LOG_TWO_PI: f64 = 1.837_877_066_409_345_3;

/// The part that all Gaussians share: samples, and the way from derivatives of a loss to ∇_μ.
pub trait Gaussian: Family {
    /// m.
    fn mean(&self) -> &Vector;

    /// V, the covariance, as a full matrix `[d, d]`.
    fn covariance(&self) -> Matrix;

    /// L with L Lᵀ = V, lower triangular `[d, d]`.
    fn factor(&self) -> Matrix;

    /// ∇_μ E_q\[ℓ\] from E_q\[∇ℓ\] and E_q\[∇²ℓ\]. The theorems of Bonnet and Price give ∇_m E_q\[ℓ\] = E_q\[∇ℓ\] and
    /// ∇_V E_q\[ℓ\] = ½ E_q\[∇²ℓ\]; for statistics (θ, θθᵀ) the chain rule then gives, as one says in natural parameters,
    ///
    /// > ∇_{μ₁} = E_q\[∇ℓ\] − E_q\[∇²ℓ\] m,  ∇_{μ₂} = ½ E_q\[∇²ℓ\]
    ///
    /// (Khan and Rue 2023, on Newton's method); restricted families see only their part of the Hessian.
    fn expectation_gradient(&self, gradient: &Vector, hessian: &Matrix) -> Vector;

    /// θ = m + L ε: the reparameterisation of a sample by noise ε ~ N(0, I).
    fn sample(&self, noise: &Vector) -> Vector {
        self.mean() + self.factor() * noise
    }
}

/// The coordinates of a symmetric matrix that multiply θᵢθⱼ, i ≤ j, row by row, in ⟨M, θθᵀ⟩: off the diagonal both
/// Mᵢⱼ and Mⱼᵢ go to one coordinate.
pub(super) fn pack(m: &Matrix) -> impl Iterator<Item = f64> + '_ {
    let d = m.nrows();
    (0..d).flat_map(move |i| (i..d).map(move |j| if i == j { m[(i, i)] } else { m[(i, j)] + m[(j, i)] }))
}

/// The inverse of [`pack`]. `packed` has d(d + 1)/2 elements.
pub(super) fn unpack(packed: &[f64], d: usize) -> Matrix {
    let mut m = Matrix::zeros(d, d);
    let mut next = packed.iter();
    for i in 0..d {
        for j in i..d {
            let value = next.next().copied().unwrap_or(0.0) * if i == j { 1.0 } else { 0.5 };
            m[(i, j)] = value;
            m[(j, i)] = value;
        }
    }
    m
}

/// An error unless a precision is positive and finite.
pub(super) fn check_precision(at: &str, precision: f64) -> Result<()> {
    if precision > 0.0 && precision.is_finite() {
        Ok(())
    } else {
        Err(Error::value(at, format!("a precision must be positive and finite, found {precision}")))
    }
}

/// An error unless all of a mean is finite.
pub(super) fn check_mean(at: &str, mean: &Vector) -> Result<()> {
    match mean.iter().position(|m| !m.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::value(at, format!("element {i} of the mean is {}", mean[i]))),
    }
}
