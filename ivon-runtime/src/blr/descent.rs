//! From the rule to optimizers: one step, with each approximation a switch.

use super::expectation::{Curvature, Expectation, exact, weighted};
use super::loss::Loss;
use super::{Expected, Matrix, Vector};
use crate::core::error::{Error, Result};

/// h, what is known of the loss's Hessian; its form decides the family.
#[derive(Clone, Debug, PartialEq)]
pub enum Precision {
    /// A number that is not learnt: q has a fixed covariance.
    Fixed(f64),
    /// One a parameter, `[d]`: q is a diagonal Gaussian.
    Diagonal(Vector),
    /// A matrix, `[d, d]`: q is any Gaussian.
    Full(Matrix),
}

/// The Gaussian rule as an optimizer, minimising ess · E_q\[ℓ\] + KL(q ‖ N(0, 1/(ess · δ))) over q = N(m, 1/(ess · (h + δ))).
///
/// Step t, with g and ĥ the expectations of gradient and curvature under q:
///
/// ```text
/// momentum ← β₁ momentum + (1 − β₁) g
/// h ← h + ρ (ĥ − h) [ + ½ ρ² (ĥ − h)² / (h + δ) ]                                   (the correction)
/// m ← m − α [·(h₀ + δ)] clip( (momentum [/(1 − β₁ᵗ)] + δ m) / (h [/(1 − (1 − ρ)ᵗ)] [√] + δ + ε) )
/// ```
///
/// Brackets are switches. Without them, and with α = ρ, β₁ = 0 and exact expectations, this is the Bayesian learning rule of
/// [`step`](super::step) for that family (Khan and Rue 2023; a test holds it to 1e-12). The constructors
/// name the usual combinations; every field may be changed after, or by `Descent { rate: 0.1, ..Descent::ivon(mean, 1.0) }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// m, `[d]`.
    pub mean: Vector,
    /// h.
    pub hessian: Precision,
    /// The running mean of gradients, `[d]`.
    pub momentum: Vector,
    /// t, steps done.
    pub steps: u32,
    /// α, the learning rate of the mean.
    pub rate: f64,
    /// ρ = 1 − β₂, the learning rate of the Hessian.
    pub hessian_rate: f64,
    /// β₁.
    pub beta1: f64,
    /// How expectations are taken.
    pub expectation: Expectation,
    /// The matrix in place of the Hessian.
    pub curvature: Curvature,
    /// The effective sample size, λ in the papers: the number of examples, unless the posterior is tempered.
    pub ess: f64,
    /// δ, weight decay: the prior precision by ess.
    pub weight_decay: f64,
    /// ε, added to the denominator and to nothing else.
    pub damping: f64,
    /// The Riemannian correction, which keeps h + δ positive (Lin, Schmidt and Khan 2020).
    pub correction: bool,
    /// Divides the momentum by 1 − β₁ᵗ.
    pub debias_momentum: bool,
    /// Divides h by 1 − (1 − ρ)ᵗ.
    pub debias_hessian: bool,
    /// Takes the square root of h in the denominator; only where h is not a matrix.
    pub root: bool,
    /// h₀, where the rate is to be multiplied by h₀ + δ.
    pub rescale: Option<f64>,
    /// No element moves by more than this before the rate.
    pub clip: f64,
}

impl Descent {
    /// The rule itself with exact expectations: `rate` is both α and ρ.
    pub fn exact(mean: Vector, hessian: Precision, rate: f64) -> Self {
        Self {
            momentum: Vector::zeros(mean.len()),
            mean,
            hessian,
            steps: 0,
            rate,
            hessian_rate: rate,
            beta1: 0.0,
            expectation: Expectation::Exact,
            curvature: Curvature::Hessian,
            ess: 1.0,
            weight_decay: 0.0,
            damping: 0.0,
            correction: false,
            debias_momentum: false,
            debias_hessian: false,
            root: false,
            rescale: None,
            clip: f64::INFINITY,
        }
    }

    /// Gradient descent, m ← m − α ∇ℓ(m): a fixed covariance and the delta method.
    pub fn gradient_descent(mean: Vector, rate: f64) -> Self {
        Self { expectation: Expectation::AtMean, ..Self::exact(mean, Precision::Fixed(1.0), rate) }
    }

    /// Newton's method, m ← m − ∇²ℓ(m)⁻¹ ∇ℓ(m): any covariance, the delta method, ρ = 1.
    pub fn newton(mean: Vector) -> Self {
        let d = mean.len();
        Self::online_newton(mean, Matrix::identity(d, d), 1.0)
    }

    /// Online Newton: Newton's method with a moving average of Hessians, ρ < 1.
    pub fn online_newton(mean: Vector, hessian: Matrix, rate: f64) -> Self {
        Self { expectation: Expectation::AtMean, ..Self::exact(mean, Precision::Full(hessian), rate) }
    }

    /// VON, variational online Newton: a diagonal Gaussian, one sample a step, the Hessian's diagonal at it (Khan et al.
    /// 2018, "Fast and scalable Bayesian deep learning by weight-perturbation in Adam").
    pub fn von(mean: Vector, h0: f64, rate: f64, ess: f64) -> Self {
        let h = Vector::from_element(mean.len(), h0);
        let expectation = Expectation::MonteCarlo { samples: 1, seed: 0 };
        Self { expectation, ess, ..Self::exact(mean, Precision::Diagonal(h), rate) }
    }

    /// VOGN: VON with the mean of squared gradients of single examples in place of the Hessian (the same paper).
    pub fn vogn(mean: Vector, h0: f64, rate: f64, ess: f64) -> Self {
        Self { curvature: Curvature::GaussNewton, ..Self::von(mean, h0, rate, ess) }
    }

    /// RMSprop: the delta method, the squared gradient of the batch, and a square root
    /// (Khan and Rue 2023, on adaptive learning rates). h starts at 0.
    pub fn rmsprop(mean: Vector, rate: f64, beta2: f64, epsilon: f64) -> Self {
        Self {
            expectation: Expectation::AtMean,
            curvature: Curvature::GradSq { scale: 1.0 },
            hessian_rate: 1.0 - beta2,
            damping: epsilon,
            root: true,
            ..Self::von(mean, 0.0, rate, 1.0)
        }
    }

    /// Adam: RMSprop with momentum and both averages debiased (Kingma and Ba 2015, Algorithm 1).
    pub fn adam(mean: Vector, rate: f64, beta1: f64, beta2: f64, epsilon: f64) -> Self {
        Self { beta1, debias_momentum: true, debias_hessian: true, ..Self::rmsprop(mean, rate, beta2, epsilon) }
    }

    /// IVON: VON with Price's estimate, which needs gradients only, momentum, and the correction (Shen et al. 2024,
    /// Algorithm 1). One sample a step, β₁ = 0.9, β₂ = 0.99999, δ = 1e-4, the rate rescaled: the published defaults.
    pub fn ivon(mean: Vector, h0: f64, rate: f64, ess: f64) -> Self {
        Self {
            curvature: Curvature::Price,
            hessian_rate: 1e-5,
            beta1: 0.9,
            weight_decay: 1e-4,
            correction: true,
            debias_momentum: true,
            rescale: Some(h0),
            ..Self::von(mean, h0, rate, ess)
        }
    }

    /// h + δ as a matrix, times ess: the precision of q, `[d, d]`.
    pub fn precision(&self) -> Matrix {
        let d = self.mean.len();
        let h = match &self.hessian {
            Precision::Fixed(h) => Matrix::identity(d, d) * *h,
            Precision::Diagonal(h) => Matrix::from_diagonal(h),
            Precision::Full(h) => h.clone(),
        };
        (h + Matrix::identity(d, d) * self.weight_decay) * self.ess
    }

    /// L with L Lᵀ = covariance of q, `[d, d]`.
    ///
    /// # Errors
    /// When h + δ is not positive: then there is no q. The correction, a larger δ or a smaller ρ prevent it.
    pub fn factor(&self) -> Result<Matrix> {
        let precision = self.precision();
        let no_posterior = |what: String| Error::value("Descent", format!("{what}; set `correction`, raise δ, or lower ρ"));
        if let Precision::Full(_) = self.hessian {
            let covariance = precision.cholesky().map(|factor| factor.inverse()).and_then(|v| v.cholesky());
            return covariance.map(|factor| factor.l()).ok_or_else(|| no_posterior("h + δ is not positive definite".into()));
        }
        let diagonal = precision.diagonal();
        match diagonal.iter().position(|s| s.is_nan() || *s <= 0.0) {
            None => Ok(Matrix::from_diagonal(&diagonal.map(|s| 1.0 / s.sqrt()))),
            Some(i) => Err(no_posterior(format!("h + δ of parameter {i} is {}", diagonal[i] / self.ess))),
        }
    }

    /// One step on `loss`, which may be a batch of the data; returns the loss, E_q\[ℓ\] before the step.
    ///
    /// # Errors
    /// When q does not exist any more, a number is not finite, or switches do not go together.
    pub fn step(&mut self, loss: &dyn Loss) -> Result<f64> {
        if self.expectation == Expectation::Exact {
            let factor = self.factor()?;
            let expected = exact(loss, &self.mean, &(&factor * factor.transpose()), self.curvature)?;
            return self.update(&expected);
        }
        let points = self.expectation.points(self.mean.len(), self.steps + 1)?;
        self.step_with(loss, &points)
    }

    /// One step with this noise: pairs of weight and ε `[d]`.
    ///
    /// # Errors
    /// As [`Descent::step`].
    pub fn step_with(&mut self, loss: &dyn Loss, points: &[(f64, Vector)]) -> Result<f64> {
        let d = self.mean.len();
        // The delta method needs no q, and at the start of RMSprop (h = 0) there is none.
        let factor = if self.expectation == Expectation::AtMean { Matrix::zeros(d, d) } else { self.factor()? };
        let expected = weighted(loss, &self.mean, &factor, points, self.curvature)?;
        self.update(&expected)
    }

    /// The three lines of the type's documentation.
    fn update(&mut self, expected: &Expected) -> Result<f64> {
        self.steps += 1;
        let debias = |on: bool, beta: f64, t: u32| if on { 1.0 - beta.powf(f64::from(t)) } else { 1.0 };
        let debias_momentum = debias(self.debias_momentum, self.beta1, self.steps);
        let debias_hessian = debias(self.debias_hessian, 1.0 - self.hessian_rate, self.steps);

        self.momentum = &self.momentum * self.beta1 + &expected.gradient * (1.0 - self.beta1);
        self.update_hessian(&expected.hessian)?;

        let direction = &self.momentum / debias_momentum + &self.mean * self.weight_decay;
        let step = self.divide(direction, debias_hessian)?.map(|s| s.clamp(-self.clip, self.clip));
        let rate = self.rate * self.rescale.map_or(1.0, |h0| h0 + self.weight_decay);
        self.mean -= step * rate;
        match self.mean.iter().position(|m| !m.is_finite()) {
            None => Ok(expected.value),
            Some(i) => Err(Error::value(
                "Descent",
                format!(
                    "the mean of parameter {i} is {} after step {}: lower the rate, or raise h0 or δ",
                    self.mean[i], self.steps
                ),
            )),
        }
    }

    /// h ← h + ρ (ĥ − h) + ½ ρ² (ĥ − h)(h + δ)⁻¹(ĥ − h), the last term where the correction is on.
    fn update_hessian(&mut self, estimate: &Matrix) -> Result<()> {
        let (rate, decay) = (self.hessian_rate, self.weight_decay);
        let second = if self.correction { 0.5 * rate * rate } else { 0.0 };
        match &mut self.hessian {
            Precision::Fixed(_) => {}
            Precision::Diagonal(h) => {
                h.zip_apply(&estimate.diagonal(), |h, estimate| {
                    let change = estimate - *h;
                    let corrected = if second > 0.0 { second * change * change / (*h + decay) } else { 0.0 };
                    *h += rate * change + corrected;
                });
            }
            Precision::Full(h) => {
                let change = estimate - &*h;
                let mut increment = &change * rate;
                if second > 0.0 {
                    let solved = solve(h, decay, &change)?;
                    increment += &change * solved * second;
                }
                *h += increment;
            }
        }
        Ok(())
    }

    /// direction / (h + δ + ε), with h debiased and under a root where that is asked for.
    fn divide(&self, direction: Vector, debias: f64) -> Result<Vector> {
        let shift = self.weight_decay + self.damping;
        let denominator = |h: f64| if self.root { (h / debias).sqrt() } else { h / debias } + shift;
        match &self.hessian {
            Precision::Fixed(h) => Ok(direction / denominator(*h)),
            Precision::Diagonal(h) => Ok(direction.zip_map(h, |d, h| d / denominator(h))),
            Precision::Full(_) if self.root => {
                Err(Error::config("the root of the Hessian is taken elementwise: use `Precision::Diagonal`"))
            }
            Precision::Full(h) => {
                let step = solve(&(h / debias), shift, &Matrix::from_columns(&[direction]))?;
                Ok(step.column(0).into_owned())
            }
        }
    }
}

/// (H + shift · I)⁻¹ B.
fn solve(h: &Matrix, shift: f64, b: &Matrix) -> Result<Matrix> {
    let d = h.nrows();
    match (h + Matrix::identity(d, d) * shift).cholesky() {
        Some(factor) => Ok(factor.solve(b)),
        None => Err(Error::value("Descent", "h + δ is not positive definite; set `correction`, raise δ, or lower ρ")),
    }
}
