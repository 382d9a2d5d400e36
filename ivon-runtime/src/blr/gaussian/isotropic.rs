//! The Gaussian with one variance for all directions.

use super::{Gaussian, LOG_TWO_PI, check_mean, check_precision};
use crate::blr::family::{Family, check_length};
use crate::blr::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// N(m, I/s) with one precision s.
///
/// λ = (s m, −½ s), T = (θ, ‖θ‖²), μ = (m, d/s + ‖m‖²), A = ½ (s‖m‖² − d log s + d log 2π).
#[derive(Clone, Debug, PartialEq)]
pub struct IsotropicGaussian {
    mean: Vector,
    precision: f64,
}

impl IsotropicGaussian {
    /// From mean `[d]` and precision.
    ///
    /// # Errors
    /// When the precision is not positive and finite, or the mean has no elements.
    pub fn new(mean: Vector, precision: f64) -> Result<Self> {
        if mean.is_empty() {
            return Err(Error::shape("IsotropicGaussian", "the mean has no elements"));
        }
        check_mean("IsotropicGaussian", &mean)?;
        check_precision("IsotropicGaussian", precision)?;
        Ok(Self { mean, precision })
    }

    /// s.
    pub fn precision(&self) -> f64 {
        self.precision
    }

    fn dimension(&self) -> f64 {
        self.mean.len() as f64
    }
}

impl Family for IsotropicGaussian {
    fn natural(&self) -> Vector {
        (&self.mean * self.precision).push(-0.5 * self.precision)
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        let d = self.mean.len();
        check_length("IsotropicGaussian", natural.len(), d + 1)?;
        let precision = -2.0 * natural[d];
        Self::new(natural.rows(0, d) / precision, precision)
    }

    fn expectation(&self) -> Vector {
        self.mean.push(self.dimension() / self.precision + self.mean.norm_squared())
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        let d = self.mean.len();
        check_length("IsotropicGaussian", expectation.len(), d + 1)?;
        let mean = expectation.rows(0, d).into_owned();
        let precision = self.dimension() / (expectation[d] - mean.norm_squared());
        Self::new(mean, precision).map_err(|e| e.within("from E[θ] and E[‖θ‖²]"))
    }

    fn log_partition(&self) -> f64 {
        0.5 * (self.precision * self.mean.norm_squared() + self.dimension() * (LOG_TWO_PI - self.precision.ln()))
    }

    /// With v = 1/s: Cov\[θ, θ\] = v I, Cov\[θ, ‖θ‖²\] = 2v m, Var\[‖θ‖²\] = 2dv² + 4v‖m‖².
    fn fisher(&self) -> Matrix {
        let (d, v) = (self.mean.len(), 1.0 / self.precision);
        Matrix::from_fn(d + 1, d + 1, |i, j| match (i == d, j == d) {
            (true, true) => 2.0 * self.dimension() * v * v + 4.0 * v * self.mean.norm_squared(),
            (true, false) => 2.0 * v * self.mean[j],
            (false, true) => 2.0 * v * self.mean[i],
            (false, false) => v * f64::from(i == j),
        })
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        theta.push(theta.norm_squared())
    }
}

impl Gaussian for IsotropicGaussian {
    fn mean(&self) -> &Vector {
        &self.mean
    }

    fn covariance(&self) -> Matrix {
        Matrix::identity(self.mean.len(), self.mean.len()) / self.precision
    }

    fn factor(&self) -> Matrix {
        Matrix::identity(self.mean.len(), self.mean.len()) / self.precision.sqrt()
    }

    /// ∇_v E\[ℓ\] = ½ tr E\[∇²ℓ\] and v = (μ₂ − ‖μ₁‖²)/d.
    fn expectation_gradient(&self, gradient: &Vector, hessian: &Matrix) -> Vector {
        let curvature = hessian.trace() / self.dimension();
        (gradient - &self.mean * curvature).push(0.5 * curvature)
    }
}
