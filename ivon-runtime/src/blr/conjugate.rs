//! Bayes' rule as addition: what each observation adds to the natural parameters.
//!
//! Where log p(y | θ) = ⟨λ_y, T(θ)⟩ + constant, the expected loss is linear in μ and −∇_μ E_q\[−log p(y | θ)\] = λ_y, whatever
//! q is. One step of the rule with ρ = 1 is then Bayes' rule (Khan and Rue 2023; Khan 2025):
//!
//! > λ_posterior = λ_prior + Σ λ_y

use super::family::{Family, check_length, step};
use super::{FullGaussian, Matrix, Vector};
use crate::core::error::{Error, Result};

/// The posterior of `prior` after observations, by one step of the rule with ρ = 1 from the prior.
///
/// The observations' natural gradients are those of this module, or sites of a [`Surrogate`](super::Surrogate). The family
/// must have a constant base measure, as all but [`FixedGaussian`](super::FixedGaussian) have.
///
/// # Errors
/// When a natural gradient has another length than λ, or the sum is not in the family.
pub fn posterior<Q: Family>(prior: &Q, observations: impl IntoIterator<Item = Vector>) -> Result<Q> {
    let mut natural = prior.natural();
    for observation in observations {
        check_length("conjugate::posterior", observation.len(), natural.len())?;
        natural += observation;
    }
    // ∇_μ E_q[ℓ̄], ℓ̄ = −log(prior × likelihood), is minus the sum, at every q.
    step(prior, &-natural, 1.0)
}

/// A coin thrown: adds to [`Beta`](super::Beta).
pub fn bernoulli(success: bool) -> Vector {
    let one = f64::from(success);
    Vector::from_vec(vec![one, 1.0 - one])
}

/// A count over an exposure (of time, say): adds to the [`Gamma`](super::Gamma) of the rate.
pub fn poisson(count: u64, exposure: f64) -> Vector {
    Vector::from_vec(vec![count as f64, -exposure])
}

/// A class of `classes`: adds to [`Dirichlet`](super::Dirichlet).
///
/// # Errors
/// When the class is out of range.
pub fn categorical(class: usize, classes: usize) -> Result<Vector> {
    if class >= classes {
        return Err(Error::value(
            "conjugate::categorical",
            format!("class {class} is out of range: there are {classes}, from 0"),
        ));
    }
    Ok(Vector::from_fn(classes, |k, _| f64::from(k == class)))
}

/// y = H θ + N(0, R) with H `[k, d]`, y `[k]`, R `[k, k]`: adds to [`FullGaussian`]. With one row H = xᵀ this is an example of
/// linear regression: λ_y = (x y / σ², −½ x xᵀ / σ²).
///
/// # Errors
/// When shapes do not fit or R is not positive definite.
pub fn linear(h: &Matrix, y: &Vector, r: &Matrix) -> Result<Vector> {
    let k = y.len();
    if h.nrows() != k || r.shape() != (k, k) {
        return Err(Error::shape(
            "conjugate::linear",
            format!("y has {k} elements, so H has {k} rows and R is [{k}, {k}]; found {:?} and {:?}", h.shape(), r.shape()),
        ));
    }
    let factor = r
        .clone()
        .cholesky()
        .ok_or_else(|| Error::value("conjugate::linear", "the covariance R of the noise is not positive definite"))?;
    Ok(FullGaussian::natural_from(&h.tr_mul(&factor.solve(y)), &h.tr_mul(&factor.solve(h))))
}
