//! Local quadratic surrogates: what a loss looks like to a Gaussian posterior.

use super::expectation::{Curvature, Expectation};
use super::gaussian::{FullGaussian, Gaussian};
use super::loss::Loss;
use super::{Matrix, Vector};
use crate::core::error::Result;

/// The quadratic that stands for a loss at q = N(m, V): a Taylor expansion with expectations in place of values at a point,
///
/// > ℓ̂(θ) = E_q\[ℓ\] − ½ tr(H V) + gᵀ(θ − m) + ½ (θ − m)ᵀH(θ − m),  g = E_q\[∇ℓ\], H = E_q\[∇²ℓ\]
///
/// It has the loss's own ∇_μ at q, so at the fixed point of the rule the posterior **is** the conjugate posterior of the
/// surrogates: prior and sites add up to it (Khan 2025, on quadratic surrogates). Its constant makes
/// E_q\[ℓ̂\] = E_q\[ℓ\].
#[derive(Clone, Debug, PartialEq)]
pub struct Surrogate {
    /// m, `[d]`.
    pub center: Vector,
    /// ℓ̂(m).
    pub value: f64,
    /// g, `[d]`.
    pub gradient: Vector,
    /// H, `[d, d]`: the precision that this loss gives to the posterior.
    pub hessian: Matrix,
}

impl Surrogate {
    /// The surrogate of `weight` · `loss` at q; the weight is the number of examples where the loss is their mean.
    ///
    /// # Errors
    /// As [`Expectation::of`].
    pub fn new(loss: &dyn Loss, weight: f64, q: &impl Gaussian, expectation: Expectation) -> Result<Self> {
        let e = expectation.of(loss, q, Curvature::Hessian, 1)?;
        let spread = 0.5 * e.hessian.component_mul(&q.covariance()).sum();
        Ok(Self {
            center: q.mean().clone(),
            value: weight * (e.value - spread),
            gradient: e.gradient * weight,
            hessian: e.hessian * weight,
        })
    }

    /// ℓ̂(θ).
    pub fn at(&self, theta: &Vector) -> f64 {
        let away = theta - &self.center;
        self.value + self.gradient.dot(&away) + 0.5 * away.dot(&(&self.hessian * &away))
    }

    /// −∇_μ E_q\[ℓ\], what the surrogate adds to a [`FullGaussian`]: (H m − g, −½ H). Add it to a prior by
    /// [`posterior`](super::conjugate::posterior); subtract it to take a part of the data away again.
    pub fn natural(&self) -> Vector {
        FullGaussian::natural_from(&(&self.hessian * &self.center - &self.gradient), &self.hessian)
    }
}
