//! The Gaussian with any covariance.

use super::{Gaussian, LOG_TWO_PI, check_mean, pack, unpack};
use crate::blr::family::{Family, check_length};
use crate::blr::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// N(m, S⁻¹) with any precision S, `[d, d]`.
///
/// λ = (S m, −½ S), T = (θ, θθᵀ), μ = (m, V + m mᵀ), A = ½ mᵀS m − ½ log|S| + ½ d log 2π. The matrices are in the d(d + 1)/2
/// coordinates θᵢθⱼ, i ≤ j, so that λ is minimal and the Fisher matrix has an inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct FullGaussian {
    mean: Vector,
    precision: Matrix,
    covariance: Matrix,
}

impl FullGaussian {
    /// From mean `[d]` and precision `[d, d]`; of the precision the symmetric part counts.
    ///
    /// # Errors
    /// When the precision is not positive definite or a shape does not fit.
    pub fn new(mean: Vector, precision: Matrix) -> Result<Self> {
        let d = mean.len();
        if precision.shape() != (d, d) {
            let (rows, columns) = precision.shape();
            return Err(Error::shape(
                "FullGaussian",
                format!("a mean of {d} elements needs a precision [{d}, {d}], found [{rows}, {columns}]"),
            ));
        }
        check_mean("FullGaussian", &mean)?;
        let precision = (&precision + precision.transpose()) * 0.5;
        match precision.clone().cholesky() {
            Some(factor) => Ok(Self { mean, covariance: factor.inverse(), precision }),
            None => Err(Error::value("FullGaussian", "the precision is not positive definite")),
        }
    }

    /// From mean `[d]` and covariance `[d, d]`.
    ///
    /// # Errors
    /// As [`FullGaussian::new`].
    pub fn from_covariance(mean: Vector, covariance: Matrix) -> Result<Self> {
        let inverse = Self::new(mean, covariance)?;
        Ok(Self { mean: inverse.mean, precision: inverse.covariance, covariance: inverse.precision })
    }

    /// S.
    pub fn precision(&self) -> &Matrix {
        &self.precision
    }

    /// Natural parameters from their two parts, S m and S, of which several may be added: what one observation
    /// contributes has a singular S and is no Gaussian by itself.
    pub fn natural_from(precision_mean: &Vector, precision: &Matrix) -> Vector {
        let quadratic = precision * -0.5;
        let mut natural = precision_mean.as_slice().to_vec();
        natural.extend(pack(&quadratic));
        Vector::from_vec(natural)
    }

    fn parameters(&self) -> usize {
        let d = self.mean.len();
        d + d * (d + 1) / 2
    }
}

impl Family for FullGaussian {
    fn natural(&self) -> Vector {
        Self::natural_from(&(&self.precision * &self.mean), &self.precision)
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        check_length("FullGaussian", natural.len(), self.parameters())?;
        let d = self.mean.len();
        let precision = unpack(&natural.as_slice()[d..], d) * -2.0;
        let Some(factor) = precision.clone().cholesky() else {
            return Err(Error::value(
                "FullGaussian",
                "the natural parameters give a precision that is not positive definite; a smaller step stays inside",
            ));
        };
        let mean = factor.solve(&natural.rows(0, d).into_owned());
        check_mean("FullGaussian", &mean)?;
        Ok(Self { mean, covariance: factor.inverse(), precision })
    }

    fn expectation(&self) -> Vector {
        let d = self.mean.len();
        let second = &self.covariance + &self.mean * self.mean.transpose();
        let pairs = (0..d).flat_map(|i| (i..d).map(move |j| (i, j)));
        Vector::from_iterator(self.parameters(), self.mean.iter().copied().chain(pairs.map(|ij| second[ij])))
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        check_length("FullGaussian", expectation.len(), self.parameters())?;
        let d = self.mean.len();
        let mean = expectation.rows(0, d).into_owned();
        let mut second = unpack(&expectation.as_slice()[d..], d) * 2.0;
        for i in 0..d {
            second[(i, i)] *= 0.5;
        }
        let covariance = second - &mean * mean.transpose();
        Self::from_covariance(mean, covariance).map_err(|e| e.within("from E[θ] and E[θθᵀ]"))
    }

    fn log_partition(&self) -> f64 {
        let d = self.mean.len() as f64;
        0.5 * (self.mean.dot(&(&self.precision * &self.mean)) + log_determinant(&self.covariance) + d * LOG_TWO_PI)
    }

    /// Cov\[T\] by the moments of a Gaussian (Isserlis): Cov\[θᵢ, θⱼ\] = Vᵢⱼ, Cov\[θᵢ, θⱼθₖ\] = mⱼVᵢₖ + mₖVᵢⱼ,
    /// Cov\[θᵢθⱼ, θₖθₗ\] = VᵢₖVⱼₗ + VᵢₗVⱼₖ + mᵢmₖVⱼₗ + mᵢmₗVⱼₖ + mⱼmₖVᵢₗ + mⱼmₗVᵢₖ.
    fn fisher(&self) -> Matrix {
        let (d, m, v) = (self.mean.len(), &self.mean, &self.covariance);
        let statistics: Vec<(usize, Option<usize>)> =
            (0..d).map(|i| (i, None)).chain((0..d).flat_map(|i| (i..d).map(move |j| (i, Some(j))))).collect();
        let linear = |i: usize, j: usize, k: usize| m[j] * v[(i, k)] + m[k] * v[(i, j)];
        Matrix::from_fn(statistics.len(), statistics.len(), |a, b| match (statistics[a], statistics[b]) {
            ((i, None), (j, None)) => v[(i, j)],
            ((i, None), (j, Some(k))) | ((j, Some(k)), (i, None)) => linear(i, j, k),
            ((i, Some(j)), (k, Some(l))) => {
                v[(i, k)] * v[(j, l)] + v[(i, l)] * v[(j, k)] + m[i] * linear(j, k, l) + m[j] * linear(i, k, l)
            }
        })
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        let d = theta.len();
        let pairs = (0..d).flat_map(|i| (i..d).map(move |j| theta[i] * theta[j]));
        Vector::from_iterator(self.parameters(), theta.iter().copied().chain(pairs))
    }
}

impl Gaussian for FullGaussian {
    fn mean(&self) -> &Vector {
        &self.mean
    }

    fn covariance(&self) -> Matrix {
        self.covariance.clone()
    }

    fn factor(&self) -> Matrix {
        // The covariance is the inverse of a positive definite matrix; should rounding have spoilt it, NaN says so.
        let d = self.mean.len();
        self.covariance.clone().cholesky().map_or_else(|| Matrix::from_element(d, d, f64::NAN), |factor| factor.l())
    }

    fn expectation_gradient(&self, gradient: &Vector, hessian: &Matrix) -> Vector {
        let mut all = (gradient - hessian * &self.mean).as_slice().to_vec();
        all.extend(pack(&(hessian * 0.5)));
        Vector::from_vec(all)
    }
}

/// log|M| of a positive definite matrix, NaN of any other.
fn log_determinant(m: &Matrix) -> f64 {
    m.clone().cholesky().map_or(f64::NAN, |factor| 2.0 * factor.l().diagonal().map(f64::ln).sum())
}
