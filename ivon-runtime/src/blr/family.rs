//! Exponential families in minimal form, and the one step that everything here is made of.

use super::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// A member q of an exponential family, `q(θ) = h(θ) exp(⟨λ, T(θ)⟩ − A(λ))`, written with minimal statistics, so that
/// natural parameters λ and expectation parameters μ = E_q\[T(θ)\] determine each other.
///
/// A family is reached through one of its members: `with_natural` and `with_expectation` keep what is not a parameter,
/// such as the dimension or a fixed covariance.
///
/// Source: Khan and Rue (2023), "The Bayesian Learning Rule", JMLR 24.
pub trait Family: Clone {
    /// λ, the natural parameters.
    fn natural(&self) -> Vector;

    /// The member with natural parameters λ; an error where A(λ) is not finite.
    fn with_natural(&self, natural: &Vector) -> Result<Self>;

    /// μ = E_q\[T(θ)\] = ∇A(λ), the expectation parameters.
    fn expectation(&self) -> Vector;

    /// The member with expectation parameters μ; an error where no member has them.
    fn with_expectation(&self, expectation: &Vector) -> Result<Self>;

    /// A(λ), the log-partition function.
    fn log_partition(&self) -> f64;

    /// F = ∇²A(λ) = Cov_q\[T(θ)\] = ∂μ/∂λ, the Fisher information in natural parameters.
    fn fisher(&self) -> Matrix;

    /// T(θ), the sufficient statistics.
    fn statistics(&self, theta: &Vector) -> Vector;

    /// log h(θ), the base measure; constant one in most families here.
    fn log_base_measure(&self, _theta: &Vector) -> f64 {
        0.0
    }

    /// E_q\[log h(θ)\].
    fn expected_log_base_measure(&self) -> f64 {
        0.0
    }

    /// ∇_μ E_q\[log h(θ)\].
    fn base_measure_gradient(&self) -> Vector {
        Vector::zeros(self.natural().len())
    }

    /// log q(θ).
    fn log_density(&self, theta: &Vector) -> f64 {
        self.log_base_measure(theta) + self.natural().dot(&self.statistics(theta)) - self.log_partition()
    }

    /// H(q) = −E_q\[log q\] = A(λ) − ⟨λ, μ⟩ − E_q\[log h\], in nats.
    fn entropy(&self) -> f64 {
        self.log_partition() - self.natural().dot(&self.expectation()) - self.expected_log_base_measure()
    }

    /// ∇_μ H(q) = −λ − ∇_μ E_q\[log h\].
    fn entropy_gradient(&self) -> Vector {
        -self.natural() - self.base_measure_gradient()
    }
}

/// One step of the Bayesian learning rule (Khan and Rue 2023):
///
/// > λ ← λ − ρ ∇_μ ( E_q\[ℓ̄(θ)\] − H(q) )
///
/// `gradient` is ∇_μ E_q\[ℓ̄\] at q, where ℓ̄ = −log of (likelihood × prior). With a constant base measure the step is
/// `λ ← (1 − ρ) λ − ρ · gradient`, an average of natural parameters.
///
/// # Errors
/// When the gradient has another length than λ, or the step leaves the family (a precision that is not positive, say).
pub fn step<Q: Family>(q: &Q, gradient: &Vector, rate: f64) -> Result<Q> {
    let natural = q.natural();
    if gradient.len() != natural.len() {
        return Err(Error::shape(
            "blr::step",
            format!("the gradient has {} elements but the family has {} natural parameters", gradient.len(), natural.len()),
        ));
    }
    q.with_natural(&(natural - (gradient - q.entropy_gradient()) * rate))
}

/// The natural gradient of a function of λ from its ordinary one: `F(λ)⁻¹ ∇_λ`. It equals ∇_μ by the chain rule, since
/// F = ∂μ/∂λ; that identity is what makes the rule cheap (Khan and Rue 2023).
///
/// # Errors
/// When the Fisher matrix is singular to working precision, or the lengths differ.
pub fn natural_gradient<Q: Family>(q: &Q, gradient: &Vector) -> Result<Vector> {
    let fisher = q.fisher();
    if gradient.len() != fisher.nrows() {
        return Err(Error::shape(
            "blr::natural_gradient",
            format!("the gradient has {} elements but the family has {} natural parameters", gradient.len(), fisher.nrows()),
        ));
    }
    match fisher.cholesky() {
        Some(factor) => Ok(factor.solve(gradient)),
        None => Err(Error::value("blr::natural_gradient", "the Fisher matrix is not positive definite at this q")),
    }
}

/// KL(q ‖ p) of two members of one family, = ⟨λ_q − λ_p, μ_q⟩ − A(λ_q) + A(λ_p).
pub fn divergence<Q: Family>(q: &Q, p: &Q) -> f64 {
    (q.natural() - p.natural()).dot(&q.expectation()) - q.log_partition() + p.log_partition()
}

/// Solves ∇A(λ) = `expectation` from `start`, where no closed form exists: Newton on the convex A(λ) − ⟨λ, μ⟩, halving
/// steps that leave the domain or do not go down.
pub(super) fn solve_expectation<Q: Family>(start: Q, expectation: &Vector, at: &str) -> Result<Q> {
    let objective = |q: &Q| q.log_partition() - q.natural().dot(expectation);
    let scale = 1.0 + expectation.amax();
    let mut q = start;
    for _ in 0..200 {
        let residual = q.expectation() - expectation;
        let Ok(direction) = natural_gradient(&q, &residual) else { break };
        let (natural, before) = (q.natural(), objective(&q));
        // Half the squared Newton decrement is what a full step would gain: below rounding, nothing is left to gain.
        let decrement = residual.dot(&direction);
        let accept = |candidate: &Q, fraction: f64| objective(candidate) <= before - 0.1 * fraction * decrement;
        let next = (0..60).map(|k| 0.5f64.powi(k)).find_map(|fraction| {
            let candidate = q.with_natural(&(&natural - &direction * fraction)).ok()?;
            (decrement < 1e-12 || accept(&candidate, fraction)).then_some(candidate)
        });
        match next {
            Some(next) => q = next,
            None => break,
        }
        if decrement < 1e-24 {
            break;
        }
    }
    let residual = (q.expectation() - expectation).amax();
    // Written so that NaN is an error too.
    if residual <= 1e-9 * scale {
        Ok(q)
    } else {
        Err(Error::value(at, format!("no member of the family has the expectation parameters {:?}", expectation.as_slice())))
    }
}

/// An error for natural or expectation parameters of the wrong length.
pub(super) fn check_length(at: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::shape(at, format!("{expected} parameters are expected, {found} were given")))
    }
}
