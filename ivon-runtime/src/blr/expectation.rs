//! E_q\[∇ℓ\] and E_q\[∇²ℓ\], the two things that a Gaussian rule needs: how, and by which estimate of curvature.

use super::gaussian::Gaussian;
use super::loss::Loss;
use super::quadrature::gauss_hermite_grid;
use super::{Matrix, Vector};
use crate::core::error::{Error, Result};
use crate::tensor::noise::Noise;

/// Expectations of a loss and its derivatives under a Gaussian, or estimates of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// E\[ℓ\].
    pub value: f64,
    /// E\[∇ℓ\], `[d]`.
    pub gradient: Vector,
    /// E\[∇²ℓ\], `[d, d]`, or what [`Curvature`] takes for it.
    pub hessian: Matrix,
}

/// How an expectation under q is taken. But for `Exact`, each is a weighted sum over noise: Σ w f(m + L ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expectation {
    /// E\[f(θ)\] ≈ f(m), the delta method: one point, no noise (Khan and Rue 2023).
    AtMean,
    /// What the loss knows in closed form: [`Loss::expected`].
    Exact,
    /// A product rule with so many points in each dimension; exact for polynomials of degree 2 · points − 1.
    GaussHermite { points: usize },
    /// The mean over samples θ = m + L ε with Philox noise of this seed.
    MonteCarlo { samples: u32, seed: u64 },
}

/// The matrix in place of the Hessian of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Curvature {
    /// ∇²ℓ(θ) itself.
    Hessian,
    /// ∇ℓ(θ) (θ − m)ᵀ V⁻¹, symmetrised: Price's theorem E\[∇²ℓ\] = E\[∇ℓ (θ − m)ᵀ\] V⁻¹ needs gradients only. For
    /// independent elements it is g · ε / σ, the estimate of IVON (Shen et al. 2024, Algorithm 1).
    Price,
    /// (1/n) Σᵢ ∇ℓᵢ ∇ℓᵢᵀ, one outer product an example: the estimate of VOGN, never negative.
    GaussNewton,
    /// `scale` · ∇ℓ ∇ℓᵀ, the squared gradient of the whole batch: RMSprop and Adam with scale 1, the GradSq option of the IVON
    /// package with scale ess.
    GradSq { scale: f64 },
}

impl Expectation {
    /// Weights and noise for `dimension` parameters; `step` counts updates from 1, so that no two draw the same noise.
    ///
    /// # Errors
    /// When there is no such rule: no points, no samples, too many points, or `Exact`, which has none.
    pub fn points(&self, dimension: usize, step: u32) -> Result<Vec<(f64, Vector)>> {
        match *self {
            Expectation::AtMean => Ok(vec![(1.0, Vector::zeros(dimension))]),
            Expectation::Exact => Err(Error::config("an exact expectation is not a sum over points")),
            Expectation::GaussHermite { points } => gauss_hermite_grid(points, dimension),
            Expectation::MonteCarlo { samples: 0, .. } => Err(Error::config("Monte Carlo needs at least one sample")),
            Expectation::MonteCarlo { samples, seed } => Ok((0..samples)
                .map(|sample| {
                    let mut noise = vec![0f32; dimension];
                    Noise::of(seed, step, sample).fill_normals(0, &mut noise);
                    (1.0 / f64::from(samples), Vector::from_iterator(dimension, noise.into_iter().map(f64::from)))
                })
                .collect()),
        }
    }

    /// The expectations of `loss` under q.
    ///
    /// # Errors
    /// When the loss has no closed form and `Exact` was asked for, Price's estimate was asked for without noise, or a
    /// setting makes no sense.
    pub fn of(&self, loss: &dyn Loss, q: &impl Gaussian, curvature: Curvature, step: u32) -> Result<Expected> {
        match self {
            Expectation::Exact => exact(loss, q.mean(), &q.covariance(), curvature),
            _ => {
                let points = self.points(q.mean().len(), step)?;
                weighted(loss, q.mean(), &q.factor(), &points, curvature)
            }
        }
    }
}

/// The loss's own closed form.
pub(super) fn exact(loss: &dyn Loss, mean: &Vector, covariance: &Matrix, curvature: Curvature) -> Result<Expected> {
    if !matches!(curvature, Curvature::Hessian | Curvature::Price) {
        return Err(Error::config(format!(
            "{curvature:?} has no closed form: take quadrature, Monte Carlo or `Curvature::Hessian`"
        )));
    }
    check_dimension(loss, mean)?;
    loss.expected(mean, covariance)
        .ok_or_else(|| Error::config("this loss knows no closed form of its expectation: take quadrature or Monte Carlo"))
}

/// Σ w f(m + L ε) over (w, ε), for the loss, its gradient and its curvature.
pub(super) fn weighted(
    loss: &dyn Loss,
    mean: &Vector,
    factor: &Matrix, // L, [d, d]
    points: &[(f64, Vector)],
    curvature: Curvature,
) -> Result<Expected> {
    check_dimension(loss, mean)?;
    let d = mean.len();
    if curvature == Curvature::Price && points.iter().all(|(_, noise)| noise.iter().all(|e| *e == 0.0)) {
        return Err(Error::config("Price's estimate of the Hessian needs noise: take Monte Carlo or quadrature"));
    }
    let mut sum = Expected { value: 0.0, gradient: Vector::zeros(d), hessian: Matrix::zeros(d, d) };
    for (weight, noise) in points {
        let theta = mean + factor * noise;
        let gradient = loss.gradient(&theta);
        let hessian = match curvature {
            Curvature::Hessian => loss.hessian(&theta),
            Curvature::Price => price(&gradient, noise, factor)?,
            Curvature::GaussNewton => gauss_newton(loss, &theta),
            Curvature::GradSq { scale } => &gradient * gradient.transpose() * scale,
        };
        sum.value += weight * loss.value(&theta);
        sum.gradient += gradient * *weight;
        sum.hessian += hessian * *weight;
    }
    Ok(sum)
}

/// The symmetric part of g (θ − m)ᵀ V⁻¹ = g (L⁻ᵀ ε)ᵀ.
fn price(gradient: &Vector, noise: &Vector, factor: &Matrix) -> Result<Matrix> {
    let whitened = factor
        .tr_solve_lower_triangular(noise)
        .ok_or_else(|| Error::value("Price's estimate", "a standard deviation of q is zero"))?;
    let outer = gradient * whitened.transpose();
    Ok((&outer + outer.transpose()) * 0.5)
}

/// (1/n) Σᵢ ∇ℓᵢ ∇ℓᵢᵀ.
fn gauss_newton(loss: &dyn Loss, theta: &Vector) -> Matrix {
    let n = loss.examples();
    let zero = Matrix::zeros(theta.len(), theta.len());
    (0..n).map(|i| loss.example_gradient(i, theta)).fold(zero, |sum, g| sum + &g * g.transpose()) / n as f64
}

fn check_dimension(loss: &dyn Loss, mean: &Vector) -> Result<()> {
    if loss.dimension() == mean.len() {
        Ok(())
    } else {
        Err(Error::shape("blr", format!("the loss has {} parameters but the mean has {}", loss.dimension(), mean.len())))
    }
}
