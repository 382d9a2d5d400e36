//! The gamma distribution, conjugate to Poisson counts and to the precision of a Gaussian.

use super::family::{Family, check_length, solve_expectation};
use super::special::{digamma, ln_gamma, trigamma};
use super::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// Gamma(α, β) with shape α and rate β, density `βᵅ xᵅ⁻¹ e^{−βx} / Γ(α)` on x > 0.
///
/// λ = (α − 1, −β), T = (ln x, x), μ = (ψ(α) − ln β, α/β), A = ln Γ(α) − α ln β, h = 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Gamma {
    shape: f64,
    rate: f64,
}

impl Gamma {
    /// # Errors
    /// When `shape` or `rate` is not positive and finite.
    pub fn new(shape: f64, rate: f64) -> Result<Self> {
        let good = |x: f64| x > 0.0 && x.is_finite();
        if good(shape) && good(rate) {
            Ok(Self { shape, rate })
        } else {
            Err(Error::value("Gamma", format!("shape and rate must be positive and finite, found {shape} and {rate}")))
        }
    }

    /// α.
    pub fn shape(&self) -> f64 {
        self.shape
    }

    /// β.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

impl Family for Gamma {
    fn natural(&self) -> Vector {
        Vector::from_vec(vec![self.shape - 1.0, -self.rate])
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        check_length("Gamma", natural.len(), 2)?;
        Self::new(natural[0] + 1.0, -natural[1])
    }

    fn expectation(&self) -> Vector {
        Vector::from_vec(vec![digamma(self.shape) - self.rate.ln(), self.shape / self.rate])
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        check_length("Gamma", expectation.len(), 2)?;
        // ln E[x] − E[ln x] = ln α − ψ(α) > 0 by Jensen; the start is Minka's (2002) closed-form approximation.
        let gap = expectation[1].ln() - expectation[0];
        if gap.is_nan() || gap <= 0.0 {
            return Err(Error::value(
                "Gamma",
                format!("E[ln x] = {} must be below ln E[x] = {}", expectation[0], expectation[1].ln()),
            ));
        }
        let shape = (3.0 - gap + ((gap - 3.0).powi(2) + 24.0 * gap).sqrt()) / (12.0 * gap);
        solve_expectation(Self::new(shape, shape / expectation[1])?, expectation, "Gamma")
    }

    fn log_partition(&self) -> f64 {
        ln_gamma(self.shape) - self.shape * self.rate.ln()
    }

    fn fisher(&self) -> Matrix {
        let cross = 1.0 / self.rate;
        Matrix::from_row_slice(2, 2, &[trigamma(self.shape), cross, cross, self.shape / (self.rate * self.rate)])
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        Vector::from_vec(vec![theta[0].ln(), theta[0]])
    }
}
