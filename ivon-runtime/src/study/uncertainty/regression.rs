//! Regression with a Gaussian likelihood: what a mixture of Gaussians over posterior samples says of the targets.

use crate::core::error::{Error, Result};
use crate::posterior::LogAverage;
use serde::Serialize;
use std::f64::consts::TAU;

/// (1/n) Σ_k N(y; m_k, v_k) for every target y, streamed over samples k.
#[derive(Clone, Debug)]
pub struct Regression {
    targets: Vec<f64>,
    samples: usize,
    /// Running mean of the m_k, and Σ (m_k − mean)² (Welford 1962).
    mean: Vec<f64>,
    squares: Vec<f64>,
    /// Σ v_k.
    noise: Vec<f64>,
    likelihood: LogAverage,
    /// Predictions that are no Gaussian.
    broken: usize,
}

/// Scores of a predictive mixture, as means over the targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegressionScores {
    /// The number of targets.
    pub examples: usize,
    /// Predictive log-likelihood of the mixture, log ((1/n) Σ_k N(y; m_k, v_k)), in nats of the targets' units.
    pub log_likelihood: f64,
    /// Root of the mean squared error of the mixture's mean.
    pub rmse: f64,
    /// Mean of the v_k: the noise.
    pub aleatoric: f64,
    /// Variance of the m_k: what the samples disagree about. It and the noise add up to the mixture's variance.
    pub epistemic: f64,
    /// Predictions whose mean is not finite or whose variance is not a finite number above 0: above 0, the model has blown up. They have density 0, and
    /// `rmse`, `aleatoric` and `epistemic` are not numbers then.
    pub broken: usize,
}

const AT: &str = "Regression";

impl Regression {
    /// Starts without samples.
    ///
    /// # Errors
    /// If there is no target, or one is not finite.
    pub fn new(targets: &[f64]) -> Result<Regression> {
        if targets.is_empty() {
            return Err(Error::value(AT, "there is no target: the mean of nothing is not a number"));
        }
        if let Some(i) = targets.iter().position(|y| !y.is_finite()) {
            return Err(Error::value(AT, format!("target {i} is {}", targets[i])));
        }
        let zeros = vec![0.0; targets.len()];
        let (mean, squares, noise) = (zeros.clone(), zeros.clone(), zeros);
        Ok(Regression { targets: targets.to_vec(), samples: 0, mean, squares, noise, likelihood: LogAverage::new(), broken: 0 })
    }

    /// Adds one sample: its mean and variance for every target, in the units of the targets and their square.
    ///
    /// A mean that is not finite, or a variance that is not a finite number above 0, is that of a model that has blown up. It has density 0, and is
    /// counted in [`RegressionScores::broken`]: a study goes on and shows it.
    ///
    /// # Errors
    /// If there are not as many as targets.
    pub fn add(&mut self, means: &[f64], variances: &[f64]) -> Result<()> {
        let n = self.targets.len();
        if means.len() != n || variances.len() != n {
            let message = format!("{} means and {} variances for {n} targets", means.len(), variances.len());
            return Err(Error::shape(AT, message));
        }
        let good = |i: usize| means[i].is_finite() && variances[i] > 0.0 && variances[i].is_finite();
        self.samples += 1;
        let count = self.samples as f64;
        for i in 0..n {
            if !good(i) {
                self.broken += 1;
                (self.mean[i], self.squares[i], self.noise[i]) = (f64::NAN, f64::NAN, f64::NAN);
                continue;
            }
            let change = means[i] - self.mean[i];
            self.mean[i] += change / count;
            self.squares[i] += change * (means[i] - self.mean[i]);
            self.noise[i] += variances[i];
        }
        // −(ln 2πv + (y − m)² / v) / 2
        let log = |i: usize| match good(i) {
            true => -0.5 * ((TAU * variances[i]).ln() + (self.targets[i] - means[i]).powi(2) / variances[i]),
            false => f64::NEG_INFINITY,
        };
        self.likelihood.add((0..n).map(log))
    }

    /// Samples averaged so far.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The mixture's mean and standard deviation for every target: sqrt(noise + variance of the means).
    pub fn predictions(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        let n = self.samples.max(1) as f64;
        let parts = self.mean.iter().zip(&self.squares).zip(&self.noise);
        parts.map(move |((mean, squares), noise)| (*mean, ((squares + noise) / n).sqrt()))
    }

    /// The scores of the samples so far.
    ///
    /// # Errors
    /// Before the first sample.
    pub fn scores(&self) -> Result<RegressionScores> {
        if self.samples == 0 {
            return Err(Error::value(AT, "there is no sample yet: add one"));
        }
        let (n, samples) = (self.targets.len() as f64, self.samples as f64);
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / n;
        let errors = self.targets.iter().zip(&self.mean).map(|(y, m)| (y - m).powi(2));
        Ok(RegressionScores {
            examples: self.targets.len(),
            log_likelihood: mean(&mut self.likelihood.log_probabilities()),
            rmse: mean(&mut { errors }).sqrt(),
            aleatoric: mean(&mut self.noise.iter().map(|v| v / samples)),
            epistemic: mean(&mut self.squares.iter().map(|v| v / samples)),
            broken: self.broken,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_disagree_widen_the_mixture() {
        let mut found = Regression::new(&[0.0]).unwrap();
        found.add(&[1.0], &[0.25]).unwrap();
        found.add(&[-1.0], &[0.75]).unwrap();
        let scores = found.scores().unwrap();
        assert_eq!((scores.rmse, scores.aleatoric, scores.epistemic), (0.0, 0.5, 1.0));
        assert_eq!(found.predictions().collect::<Vec<_>>(), [(0.0, 1.5f64.sqrt())]);
    }

    #[test]
    fn far_targets_have_a_finite_likelihood() {
        let mut found = Regression::new(&[1e6]).unwrap();
        found.add(&[0.0], &[1.0]).unwrap();
        assert!((found.scores().unwrap().log_likelihood + 0.5e12).abs() < 2.0);
    }

    #[test]
    fn a_model_that_has_blown_up_is_counted_and_has_density_0() {
        let mut found = Regression::new(&[0.0, 1.0]).unwrap();
        found.add(&[0.0, 1.0], &[1.0, 1.0]).unwrap();
        for (mean, variance) in [(f64::NAN, 1.0), (0.0, 0.0), (0.0, f64::INFINITY)] {
            found.add(&[mean, 1.0], &[variance, 1.0]).unwrap();
        }
        let scores = found.scores().unwrap();
        assert_eq!(scores.broken, 3);
        // Four samples, of which one is a Gaussian for the first target.
        let (one, all) = (-0.5 * TAU.ln() - 4f64.ln(), -0.5 * TAU.ln());
        assert!((scores.log_likelihood - 0.5 * (one + all)).abs() < 1e-12);
        assert!(scores.rmse.is_nan() && scores.aleatoric.is_nan() && scores.epistemic.is_nan());
        // Without any Gaussian the target is impossible.
        let mut found = Regression::new(&[0.0]).unwrap();
        found.add(&[f64::INFINITY], &[1.0]).unwrap();
        assert_eq!(found.scores().unwrap().log_likelihood, f64::NEG_INFINITY);
    }

    #[test]
    fn what_is_no_prediction_is_refused() {
        assert!(Regression::new(&[]).is_err() && Regression::new(&[f64::NAN]).is_err());
        let mut found = Regression::new(&[0.0, 1.0]).unwrap();
        assert!(found.scores().is_err());
        assert!(found.add(&[0.0], &[1.0]).is_err());
    }
}
