//! Dirichlet and categorical, and their two-sided cases beta and Bernoulli.

use super::family::{Family, check_length, solve_expectation};
use super::special::{digamma, ln_gamma, trigamma};
use super::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// Dirichlet(α) over probabilities p of K classes.
///
/// λ = α − 1, T = ln p, μₖ = ψ(αₖ) − ψ(Σα), A = Σ ln Γ(αₖ) − ln Γ(Σα), h = 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Dirichlet {
    concentration: Vector,
}

impl Dirichlet {
    /// # Errors
    /// When there are fewer than two classes, or a concentration is not positive and finite.
    pub fn new(concentration: Vector) -> Result<Self> {
        if concentration.len() >= 2 && concentration.iter().all(|a| *a > 0.0 && a.is_finite()) {
            Ok(Self { concentration })
        } else {
            Err(Error::value(
                "Dirichlet",
                format!("two or more positive concentrations are expected, found {:?}", concentration.as_slice()),
            ))
        }
    }

    /// α, one a class.
    pub fn concentration(&self) -> &Vector {
        &self.concentration
    }
}

impl Family for Dirichlet {
    fn natural(&self) -> Vector {
        self.concentration.add_scalar(-1.0)
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        check_length("Dirichlet", natural.len(), self.concentration.len())?;
        Self::new(natural.add_scalar(1.0))
    }

    fn expectation(&self) -> Vector {
        let total = digamma(self.concentration.sum());
        self.concentration.map(|a| digamma(a) - total)
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        check_length("Dirichlet", expectation.len(), self.concentration.len())?;
        // exp E[ln pₖ] is below E[pₖ], so these sum to less than one; the nearer to one, the larger α.
        let means = expectation.map(f64::exp);
        let gap = 1.0 - means.sum();
        if gap.is_nan() || gap <= 0.0 {
            return Err(Error::value("Dirichlet", format!("exp E[ln p] must sum to less than one, found {}", means.sum())));
        }
        let total = (expectation.len() - 1) as f64 / (2.0 * gap);
        let start = means.map(|p| (p * total).max(1e-3));
        solve_expectation(Self::new(start)?, expectation, "Dirichlet")
    }

    fn log_partition(&self) -> f64 {
        self.concentration.iter().map(|a| ln_gamma(*a)).sum::<f64>() - ln_gamma(self.concentration.sum())
    }

    fn fisher(&self) -> Matrix {
        let total = trigamma(self.concentration.sum());
        Matrix::from_diagonal(&self.concentration.map(trigamma)).add_scalar(-total)
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        theta.map(f64::ln)
    }
}

/// Categorical over K classes, written with the K − 1 logits against the last class.
///
/// λₖ = ln(pₖ / p_K), T = the indicator of classes 0 to K − 2, μₖ = pₖ, A = ln(1 + Σ e^{λₖ}), h = 1. A value θ is one
/// number: the class.
#[derive(Clone, Debug, PartialEq)]
pub struct Categorical {
    logits: Vector,
}

impl Categorical {
    /// From the logits against the last class; K − 1 of them.
    ///
    /// # Errors
    /// When there is none, or one is not finite.
    pub fn new(logits: Vector) -> Result<Self> {
        if !logits.is_empty() && logits.iter().all(|l| l.is_finite()) {
            Ok(Self { logits })
        } else {
            Err(Error::value("Categorical", format!("one or more finite logits are expected, found {:?}", logits.as_slice())))
        }
    }

    /// Probabilities of all K classes.
    pub fn probabilities(&self) -> Vector {
        let largest = self.logits.max().max(0.0);
        let weights = self.logits.push(0.0).map(|l| (l - largest).exp());
        let total = weights.sum();
        weights / total
    }
}

impl Family for Categorical {
    fn natural(&self) -> Vector {
        self.logits.clone()
    }

    fn with_natural(&self, natural: &Vector) -> Result<Self> {
        check_length("Categorical", natural.len(), self.logits.len())?;
        Self::new(natural.clone())
    }

    fn expectation(&self) -> Vector {
        self.probabilities().rows(0, self.logits.len()).into_owned()
    }

    fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
        check_length("Categorical", expectation.len(), self.logits.len())?;
        let last = 1.0 - expectation.sum();
        if expectation.iter().any(|p| p.is_nan() || *p <= 0.0) || last <= 0.0 {
            return Err(Error::value(
                "Categorical",
                format!("probabilities must be positive and sum to less than one, found {:?}", expectation.as_slice()),
            ));
        }
        Self::new(expectation.map(|p| (p / last).ln()))
    }

    fn log_partition(&self) -> f64 {
        let largest = self.logits.max().max(0.0);
        largest + ((-largest).exp() + self.logits.iter().map(|l| (l - largest).exp()).sum::<f64>()).ln()
    }

    fn fisher(&self) -> Matrix {
        let p = self.expectation();
        Matrix::from_diagonal(&p) - &p * p.transpose()
    }

    fn statistics(&self, theta: &Vector) -> Vector {
        Vector::from_fn(self.logits.len(), |k, _| if theta[0] == k as f64 { 1.0 } else { 0.0 })
    }
}

/// Beta(α, β) over a probability: [`Dirichlet`] of two classes. λ = (α − 1, β − 1), T = (ln x, ln(1 − x)).
#[derive(Clone, Debug, PartialEq)]
pub struct Beta(Dirichlet);

impl Beta {
    /// # Errors
    /// When `alpha` or `beta` is not positive and finite.
    pub fn new(alpha: f64, beta: f64) -> Result<Self> {
        Dirichlet::new(Vector::from_vec(vec![alpha, beta])).map(Self).map_err(|e| e.within("Beta"))
    }

    /// α.
    pub fn alpha(&self) -> f64 {
        self.0.concentration[0]
    }

    /// β.
    pub fn beta(&self) -> f64 {
        self.0.concentration[1]
    }
}

/// Bernoulli: [`Categorical`] of two classes, class 0 of which is "one". λ = ln(p / (1 − p)), T = θ in {0, 1}.
#[derive(Clone, Debug, PartialEq)]
pub struct Bernoulli(Categorical);

impl Bernoulli {
    /// From the log-odds.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn new(logit: f64) -> Result<Self> {
        Categorical::new(Vector::from_vec(vec![logit])).map(Self).map_err(|e| e.within("Bernoulli"))
    }

    /// The probability of one.
    pub fn probability(&self) -> f64 {
        self.0.probabilities()[0]
    }
}

/// A family that is another family with its own statistics.
macro_rules! delegate {
    ($outer:ident, |$theta:ident| $statistics:expr) => {
        impl Family for $outer {
            fn natural(&self) -> Vector {
                self.0.natural()
            }
            fn with_natural(&self, natural: &Vector) -> Result<Self> {
                self.0.with_natural(natural).map(Self).map_err(|e| e.within(stringify!($outer)))
            }
            fn expectation(&self) -> Vector {
                self.0.expectation()
            }
            fn with_expectation(&self, expectation: &Vector) -> Result<Self> {
                self.0.with_expectation(expectation).map(Self).map_err(|e| e.within(stringify!($outer)))
            }
            fn log_partition(&self) -> f64 {
                self.0.log_partition()
            }
            fn fisher(&self) -> Matrix {
                self.0.fisher()
            }
            fn statistics(&self, $theta: &Vector) -> Vector {
                $statistics
            }
        }
    };
}

delegate!(Beta, |theta| Vector::from_vec(vec![theta[0].ln(), (1.0 - theta[0]).ln()]));
delegate!(Bernoulli, |theta| theta.clone());
