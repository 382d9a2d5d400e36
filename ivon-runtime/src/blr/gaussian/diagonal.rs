//! The Gaussian with independent elements: the family of IVON.

use super::{Gaussian, LOG_TWO_PI, check_mean, check_precision};
use crate::blr::family::{Family, check_length};
use crate::blr::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// N(m, diag(1/s)) with precisions s `[d]`.
///
/// λ = (s m, −½ s), T = (θ, θ²), μ = (m, 1/s + m²), A = Σ ½ (s m² − log s + log 2π), all elementwise.
#[derive(Clone, Debug, PartialEq)]
pub struct DiagonalGaussian {
    mean: Vector,
    precision: Vector,
}

impl DiagonalGaussian {
    /// From mean `[d]` and precision `[d]`.
    ///
    /// # Errors
    /// When a precision is not positive and finite, or the lengths differ.
    pub fn new(mean: Vector, precision: Vector) -> Result<Self> {
        if mean.len() != precision.len() {
            return Err(Error::shape(
                "DiagonalGaussian",
                format!("a mean of {} elements and a precision of {}", mean.len(), precision.len()),
            ));
        }
        check_mean("DiagonalGaussian", &mean)?;
        precision.iter().try_for_each(|s| check_precision("DiagonalGaussian", *s))?;
        Ok(Self { mean, precision })
    }

    /// s.
    pub fn precision(&self) -> &Vector {
        &self.precision
    }

    /// Two halves of one parameter vector.
    fn halves(&self, all: &Vector) -> Result<(Vector, Vector)> {
        let d = self.mean.len();
        check_length("DiagonalGaussian", all.len(), 2 * d)?;
        Ok((all.rows(0, d).into_owned(), all.rows(d, d).into_owned()))
    }
}

/// One vector of two halves.
fn join(first: Vector, second: Vector) -> Vector {
    Vector::from_iterator(first.len() + second.len(), first.iter().chain(second.iter()).copied())
}

impl Family for DiagonalGaussian {
    fn natural(&self) -> Vector {
        join(self.precision.component_mul(&self.mean), &self.precision * -0.5)
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        let (linear, quadratic) = self.halves(natural)?;
        let precision = quadratic * -2.0;
        Self::new(linear.component_div(&precision), precision)
    }

    fn expectation(&self) -> Vector {
        join(self.mean.clone(), self.precision.map(|s| 1.0 / s) + self.mean.map(|m| m * m))
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        let (mean, second) = self.halves(expectation)?;
        let precision = second.zip_map(&mean, |second, m| 1.0 / (second - m * m));
        Self::new(mean, precision).map_err(|e| e.within("from E[θ] and E[θ²]"))
    }

    fn log_partition(&self) -> f64 {
        self.mean.zip_fold(&self.precision, 0.0, |sum, m, s| sum + 0.5 * (s * m * m - s.ln() + LOG_TWO_PI))
    }

    /// Per element, with v = 1/s: Cov\[θ, θ\] = v, Cov\[θ, θ²\] = 2mv, Cov\[θ², θ²\] = 2v² + 4m²v.
    fn fisher(&self) -> Matrix {
        let d = self.mean.len();
        let mut fisher = Matrix::zeros(2 * d, 2 * d);
        for i in 0..d {
            let (m, v) = (self.mean[i], 1.0 / self.precision[i]);
            fisher[(i, i)] = v;
            fisher[(i, d + i)] = 2.0 * m * v;
            fisher[(d + i, i)] = 2.0 * m * v;
            fisher[(d + i, d + i)] = 2.0 * v * v + 4.0 * m * m * v;
        }
        fisher
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        join(theta.clone(), theta.map(|t| t * t))
    }
}

impl Gaussian for DiagonalGaussian {
    fn mean(&self) -> &Vector {
        &self.mean
    }

    fn covariance(&self) -> Matrix {
        Matrix::from_diagonal(&self.precision.map(|s| 1.0 / s))
    }

    fn factor(&self) -> Matrix {
        Matrix::from_diagonal(&self.precision.map(|s| 1.0 / s.sqrt()))
    }

    fn expectation_gradient(&self, gradient: &Vector, hessian: &Matrix) -> Vector {
        let diagonal = hessian.diagonal();
        join(gradient - diagonal.component_mul(&self.mean), diagonal * 0.5)
    }
}
