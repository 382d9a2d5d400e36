//! Losses in f64 with their derivatives: what a rule of this module learns from.

use super::{Expected, Matrix, Vector};

/// A loss ℓ(θ), the **mean** negative log-likelihood of some examples, with the derivatives that the rules ask for.
pub trait Loss {
    /// d, the number of parameters.
    fn dimension(&self) -> usize;

    /// ℓ(θ), in nats an example.
    fn value(&self, theta: &Vector) -> f64;

    /// ∇ℓ(θ), `[d]`.
    fn gradient(&self, theta: &Vector) -> Vector;

    /// ∇²ℓ(θ), `[d, d]`.
    fn hessian(&self, theta: &Vector) -> Matrix;

    /// The number of examples that ℓ is the mean of.
    fn examples(&self) -> usize {
        1
    }

    /// ∇ℓᵢ(θ), the gradient of one example, `[d]`; their mean is ∇ℓ(θ).
    fn example_gradient(&self, _example: usize, theta: &Vector) -> Vector {
        self.gradient(theta)
    }

    /// E\[ℓ\], E\[∇ℓ\] and E\[∇²ℓ\] under N(mean, covariance), where they are known; `None` elsewhere.
    fn expected(&self, _mean: &Vector, _covariance: &Matrix) -> Option<Expected> {
        None
    }
}
