//! The Bayesian learning rule in f64, exact where exact is possible: from Bayes' rule to IVON on one page.
//!
//! This module trains no networks. It is the theory behind the optimizer as code that runs: every equation below is a test
//! with a tolerance, and the optimizers of the field fall out of one step by switching approximations on, one by one.
//!
//! # 1. Bayes' rule is an addition
//!
//! Take a distribution from an exponential family, `q(θ) ∝ exp ⟨λ, T(θ)⟩`. λ are its **natural parameters**: for a Gaussian
//! N(m, S⁻¹) they are (S m, −½ S), for a coin's Beta(α, β) they are (α − 1, β − 1). To multiply by a likelihood of the same
//! form, Bayes' rule adds:
//!
//! > λ_posterior = λ_prior + λ_data
//!
//! Data that come one by one, in any order, give the same sum, and an observation can be taken away again.
//!
//! ```
//! use ivon_runtime::blr::{Beta, conjugate::{bernoulli, posterior}};
//!
//! let prior = Beta::new(1.0, 1.0)?;
//! let seen = posterior(&prior, [true, true, false].map(bernoulli))?;
//! assert!((seen.alpha() - 3.0).abs() < 1e-10 && (seen.beta() - 2.0).abs() < 1e-10);
//!
//! let forgotten = posterior(&seen, [-bernoulli(false)])?;
//! assert!((forgotten.beta() - 1.0).abs() < 1e-10);
//! # Ok::<(), ivon_runtime::Error>(())
//! ```
//!
//! The same sum with a moving state is the [`Kalman`] filter.
//!
//! # 2. Where the data do not fit: the best q
//!
//! Few likelihoods have this form. Variational Bayes then asks for the q of a chosen family that minimises
//!
//! > L(q) = E_q\[ℓ̄(θ)\] − H(q),  ℓ̄ = −log (likelihood × prior)
//!
//! a trade of low loss against high entropy; without a restriction on q the minimum is Bayes' posterior itself. How to go
//! down? The gradient in λ depends on how q is written; the **natural gradient** F(λ)⁻¹ ∇_λ, with the Fisher matrix F,
//! does not. And it needs no Fisher matrix: it is the ordinary gradient in the **expectation parameters** μ = E_q\[T(θ)\],
//! and of the entropy it is simply −λ. So one step with rate ρ is
//!
//! > λ ← λ − ρ ∇_μ L = (1 − ρ) λ − ρ ∇_μ E_q\[ℓ̄\]
//!
//! the **Bayesian learning rule**, [`step`]. For conjugate data −∇_μ E_q\[ℓ̄\] is λ_prior + λ_data whatever q is, and with ρ = 1
//! one step is section 1.
//!
//! # 3. A Gaussian q: Newton's method appears
//!
//! For q = N(m, S⁻¹) the gradient in μ is made of two expectations (Bonnet, Price): E_q\[∇ℓ̄\] and E_q\[∇²ℓ̄\]. Put in, the step
//! on λ = (S m, −½ S) becomes a step on S and m:
//!
//! > S ← (1 − ρ) S + ρ E_q\[∇²ℓ̄\]
//! >
//! > m ← m − ρ S⁻¹ E_q\[∇ℓ̄\]
//!
//! The precision follows the curvature that q sees, and the mean makes Newton steps with it.
//!
//! ```
//! use ivon_runtime::blr::*;
//!
//! // Is y = 1? Four examples with an input and a bias.
//! let x = Matrix::from_row_slice(4, 2, &[-2.0, 1.0, -0.5, 1.0, 0.3, 1.0, 1.5, 1.0]);
//! let loss = LogisticRegression::new(x, Vector::from_row_slice(&[0.0, 1.0, 0.0, 1.0]))?;
//! let prior = FullGaussian::new(Vector::zeros(2), Matrix::identity(2, 2))?;
//!
//! let mut q = prior.clone();
//! for _ in 0..100 {
//!     let e = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1)?; // of the mean over 4 examples
//!     let gradient = q.expectation_gradient(&(e.gradient * 4.0), &(e.hessian * 4.0)) - prior.natural();
//!     q = step(&q, &gradient, 0.5)?;
//! }
//!
//! // At the optimum the loss looks quadratic to q: a surrogate, whose precision and the prior's make up that of q.
//! let surrogate = Surrogate::new(&loss, 4.0, &q, Expectation::Exact)?;
//! assert!((prior.precision() + &surrogate.hessian - q.precision()).amax() < 1e-10);
//! # Ok::<(), ivon_runtime::Error>(())
//! ```
//!
//! # 4. Optimizers are approximations of it
//!
//! | optimizer | family of q | expectation | curvature | and |
//! |---|---|---|---|---|
//! | [gradient descent](Descent::gradient_descent) | fixed covariance | at the mean | none | |
//! | [Newton](Descent::newton) | full | at the mean | Hessian | ρ = 1 |
//! | [online Newton](Descent::online_newton) | full | at the mean | Hessian | ρ < 1 |
//! | [VON](Descent::von) | diagonal | at a sample | Hessian | |
//! | [VOGN](Descent::vogn) | diagonal | at a sample | squared gradients of examples | |
//! | [RMSprop](Descent::rmsprop) | diagonal | at the mean | squared gradient of the batch | a square root |
//! | [Adam](Descent::adam) | diagonal | at the mean | squared gradient of the batch | a root, momentum, debiasing |
//! | [IVON](Descent::ivon) | diagonal | at a sample | gradient · noise / σ | momentum, debiasing, the correction |
//!
//! Each is a [`Descent`] with other switches, and each is tested against its textbook form. Read the last two rows again.
//! Adam stays at the mean and puts squared gradients under a root, which is no Hessian; so its denominator is no
//! precision, and there is no posterior. IVON moves one sample away, θ = m + σ ε, which costs the same one gradient, and by
//! Price's theorem `E[g · ε / σ] = E[∇²ℓ]` that gradient tells the curvature too. Its denominator is a precision:
//!
//! > σ² = 1 / (ess · (h + δ))
//!
//! with `ess` the number of examples, h the running mean of the estimates, and δ the weight decay, which is a prior
//! N(0, 1/(ess · δ)).
//!
//! # 5. What keeps h + δ positive
//!
//! Estimates of curvature may be negative, and an average of them too. The step above is a straight line in λ; the family
//! is curved. The second-order term of the geodesic,
//!
//! > h ← h + ρ (ĥ − h) + ½ ρ² (ĥ − h)² / (h + δ)
//!
//! makes it s (1 + u + ½ u²) with s = h + δ and u = ρ (ĥ − h) / s, which is at least s/2 for every u: the Riemannian correction.
//!
//! ```
//! use ivon_runtime::blr::*;
//!
//! // y = 2 x₁ − x₂ + noise of variance ¼, and the best diagonal Gaussian for it: the exact mean, σ² = 1 / precision.
//! let x = Matrix::from_row_slice(4, 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, -1.0]);
//! let y = Vector::from_row_slice(&[2.1, -0.8, 1.3, 2.9]);
//! let precision = x.tr_mul(&x) / 0.25 + Matrix::identity(2, 2) * 0.4; // the prior: ess · δ = 4 · 0.1
//! let mean = precision.clone().try_inverse().unwrap() * x.tr_mul(&y) / 0.25;
//! let loss = LinearRegression::new(x, y, 0.25)?;
//!
//! let mut ivon = Descent {
//!     weight_decay: 0.1,
//!     hessian_rate: 0.01,
//!     expectation: Expectation::MonteCarlo { samples: 4, seed: 1 },
//!     ..Descent::ivon(Vector::zeros(2), 1.0, 0.1, 4.0)
//! };
//! for t in 0..4000 {
//!     ivon.rate = 0.1 * (1.0 - f64::from(t) / 4000.0);
//!     ivon.step(&loss)?;
//! }
//! assert!((&ivon.mean - mean).amax() < 0.02);
//! let ratio = ivon.precision().diagonal().component_div(&precision.diagonal());
//! assert!(ratio.iter().all(|r| (r - 1.0).abs() < 0.15));
//! # Ok::<(), ivon_runtime::Error>(())
//! ```
//!
//! # Sources
//!
//! * Khan and Rue (2023), "The Bayesian Learning Rule", JMLR 24: the rule, the Gaussian case, optimizers as approximations.
//! * Khan (2025), "Information Geometry of Variational Bayes", arXiv 2509.15641: Bayes' rule as addition of natural gradients,
//!   quadratic surrogates.
//! * Khan et al. (2018), "Fast and Scalable Bayesian Deep Learning by Weight-Perturbation in Adam", ICML: VON, VOGN.
//! * Lin, Schmidt and Khan (2020), "Handling the Positive-Definite Constraint in the Bayesian Learning Rule", ICML: the
//!   correction.
//! * Shen et al. (2024), "Variational Learning is Effective for Large Deep Networks", ICML, arXiv 2402.17641: IVON.

pub mod conjugate;
mod descent;
mod dirichlet;
mod expectation;
mod family;
mod gamma;
mod gaussian;
mod kalman;
mod loss;
mod problems;
mod quadrature;
pub mod special;
mod surrogate;
#[cfg(test)]
mod tests;

pub use descent::{Descent, Precision};
pub use dirichlet::{Bernoulli, Beta, Categorical, Dirichlet};
pub use expectation::{Curvature, Expectation, Expected};
pub use family::{Family, divergence, natural_gradient, step};
pub use gamma::Gamma;
pub use gaussian::{DiagonalGaussian, FixedGaussian, FullGaussian, Gaussian, IsotropicGaussian};
pub use kalman::Kalman;
pub use loss::Loss;
pub use problems::{LinearRegression, LogisticRegression, Quartic};
pub use quadrature::{gauss_hermite, gauss_hermite_grid, trapezoid};
pub use surrogate::Surrogate;

/// A column of f64.
pub type Vector = nalgebra::DVector<f64>;

/// A matrix of f64.
pub type Matrix = nalgebra::DMatrix<f64>;
