//! The Gaussian whose covariance is not learnt: gradient descent lives here.

use super::{FullGaussian, Gaussian, check_mean};
use crate::blr::family::{Family, check_length};
use crate::blr::{Matrix, Vector};
use crate::core::error::Result;

/// N(m, V) with V given; only the mean is a parameter.
///
/// λ = V⁻¹ m, T = θ, μ = m, A = ½ mᵀV⁻¹m, h(θ) = N(θ | 0, V). The entropy does not depend on m, so the base measure takes
/// away the "− λ" of the other families, and the rule is m ← m − ρ V E_q\[∇ℓ̄\]: gradient descent, preconditioned by V
/// (Khan and Rue 2023, on gradient descent).
#[derive(Clone, Debug, PartialEq)]
pub struct FixedGaussian {
    base: FullGaussian,
}

impl FixedGaussian {
    /// From mean `[d]` and covariance `[d, d]`.
    ///
    /// # Errors
    /// When the covariance is not positive definite or a shape does not fit.
    pub fn new(mean: Vector, covariance: Matrix) -> Result<Self> {
        FullGaussian::from_covariance(mean, covariance).map(|base| Self { base }).map_err(|e| e.within("FixedGaussian"))
    }

    /// N(m, I).
    ///
    /// # Errors
    /// When an element of the mean is not finite.
    pub fn standard(mean: Vector) -> Result<Self> {
        let d = mean.len();
        Self::new(mean, Matrix::identity(d, d))
    }

    fn with_mean(&self, mean: Vector) -> Result<Self> {
        check_mean("FixedGaussian", &mean)?;
        FullGaussian::new(mean, self.base.precision().clone()).map(|base| Self { base })
    }

    /// −½ (d log 2π + log|V|).
    fn log_normaliser(&self) -> f64 {
        // A of the full family at m = 0 is ½ log|V| + ½ d log 2π.
        let m = self.base.mean();
        0.5 * m.dot(&(self.base.precision() * m)) - self.base.log_partition()
    }
}

impl Family for FixedGaussian {
    fn natural(&self) -> Vector {
        self.base.precision() * self.base.mean()
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        check_length("FixedGaussian", natural.len(), self.base.mean().len())?;
        self.with_mean(self.base.covariance() * natural)
    }

    fn expectation(&self) -> Vector {
        self.base.mean().clone()
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        check_length("FixedGaussian", expectation.len(), self.base.mean().len())?;
        self.with_mean(expectation.clone())
    }

    fn log_partition(&self) -> f64 {
        0.5 * self.base.mean().dot(&self.natural())
    }

    fn fisher(&self) -> Matrix {
        self.base.covariance()
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        theta.clone()
    }

    fn log_base_measure(&self, theta: &Vector) -> f64 {
        self.log_normaliser() - 0.5 * theta.dot(&(self.base.precision() * theta))
    }

    fn expected_log_base_measure(&self) -> f64 {
        // E[θᵀV⁻¹θ] = mᵀV⁻¹m + d.
        let d = self.base.mean().len() as f64;
        self.log_normaliser() - self.log_partition() - 0.5 * d
    }

    fn base_measure_gradient(&self) -> Vector {
        -self.natural()
    }
}

impl Gaussian for FixedGaussian {
    fn mean(&self) -> &Vector {
        self.base.mean()
    }

    fn covariance(&self) -> Matrix {
        self.base.covariance()
    }

    fn factor(&self) -> Matrix {
        self.base.factor()
    }

    fn expectation_gradient(&self, gradient: &Vector, _hessian: &Matrix) -> Vector {
        gradient.clone()
    }
}
