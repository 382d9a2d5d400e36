//! How good a model is at the mean and averaged over posterior samples.

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::optimizers::{Optimizer, Weights, at};
use crate::posterior::LogAverage;

/// The predictions of a model for every validation example at one set of weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// The log-likelihood of each example, in nats.
    LogLikelihoods(Vec<f64>),
    /// A choice between classes: the log-probability of every class, `[examples, classes]`, and the right class of each example.
    Classes {
        /// Row-major.
        log_probabilities: Vec<f64>,
        /// Numbers of classes.
        labels: Vec<u32>,
    },
}

impl From<Vec<f64>> for Predictions {
    fn from(log_likelihoods: Vec<f64>) -> Predictions {
        Predictions::LogLikelihoods(log_likelihoods)
    }
}

/// Negative log-likelihoods per example, in nats, and accuracies; not a number where there was no example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// At the mean of the posterior.
    pub mean: f64,
    /// The loss of the probabilities averaged over samples; that at the mean where there were no samples to average.
    pub posterior: f64,
    /// The share of examples whose most probable class at the mean is the right one; of [`Predictions::Classes`].
    pub accuracy: Option<f64>,
    /// The same of the averaged probabilities.
    pub accuracy_posterior: Option<f64>,
    /// Samples averaged over.
    pub samples: usize,
    /// Examples.
    pub examples: usize,
}

impl Evaluation {
    /// The evaluation of no examples.
    pub fn none() -> Evaluation {
        let (mean, posterior) = (f64::NAN, f64::NAN);
        Evaluation { mean, posterior, accuracy: None, accuracy_posterior: None, samples: 0, examples: 0 }
    }
}

/// Predictions averaged over weights, in probability.
#[derive(Default)]
struct Average {
    sum: LogAverage,
    labels: Option<Vec<u32>>,
}

impl Average {
    fn add(&mut self, predictions: Predictions) -> Result<()> {
        match predictions {
            Predictions::LogLikelihoods(each) => self.sum.add(each.into_iter()),
            Predictions::Classes { log_probabilities, labels } => {
                let rows = if labels.is_empty() { 0 } else { log_probabilities.len() % labels.len() };
                let classes = log_probabilities.len().checked_div(labels.len()).unwrap_or(0);
                if rows != 0 || labels.iter().any(|label| *label as usize >= classes) {
                    let message = format!("{} log-probabilities do not fit {} labels", log_probabilities.len(), labels.len());
                    return Err(Error::shape("evaluate", message));
                }
                self.labels = Some(labels);
                self.sum.add(log_probabilities.into_iter())
            }
        }
    }

    /// NLL and accuracy over examples, and their number.
    fn scores(&self) -> (f64, Option<f64>, usize) {
        let Some(labels) = &self.labels else { return (self.sum.nll(), None, self.sum.log_probabilities().len()) };
        let all: Vec<f64> = self.sum.log_probabilities().collect();
        let (mut nll, mut right) = (0.0, 0);
        for (row, label) in all.chunks(all.len().checked_div(labels.len()).unwrap_or(1).max(1)).zip(labels) {
            let own = row[*label as usize];
            nll -= own;
            right += usize::from(predicted(row) == Some(*label as usize));
        }
        let n = labels.len() as f64;
        (nll / n, Some(right as f64 / n), labels.len())
    }
}

/// The most probable class of a row, the first of several; none where a probability is not a number.
fn predicted(row: &[f64]) -> Option<usize> {
    if row.iter().any(|x| x.is_nan()) {
        return None;
    }
    let best = row.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (i, x)| if *x > best.1 { (i, *x) } else { best });
    Some(best.0)
}

/// Evaluates at the mean and over `samples` posterior samples, one in memory at a time. An optimizer without a posterior has none.
///
/// `validate` says what the model predicts at the context's weights, of the same examples each time.
///
/// # Errors
/// Those of `validate`, and if the number of examples changes from call to call.
pub fn evaluate(
    optimizer: &mut dyn Optimizer,
    samples: usize,
    validate: &mut dyn FnMut(&Context) -> Result<Predictions>,
) -> Result<Evaluation> {
    evaluate_telling(optimizer, samples, validate, &mut |_, _| {})
}

/// As [`evaluate`]; `tell` is called before each pass over the data with its number, from 0, and how many there are.
pub(super) fn evaluate_telling(
    optimizer: &mut dyn Optimizer,
    samples: usize,
    validate: &mut dyn FnMut(&Context) -> Result<Predictions>,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation> {
    let point = samples == 0 || optimizer.posterior().is_point();
    let passes = if point { 1 } else { samples.saturating_add(1) };
    let mut average = Average::default();
    tell(0, passes);
    average.add(at(optimizer, Weights::Mean, &mut *validate)?)?;
    let (mean, accuracy, examples) = average.scores();
    let samples = if examples == 0 { 0 } else { passes - 1 };
    let mut average = Average::default();
    for k in 0..samples {
        tell(k + 1, passes);
        average.add(at(optimizer, Weights::Sample(k as u32), &mut *validate)?)?;
    }
    let (posterior, accuracy_posterior, _) = if samples == 0 { (mean, accuracy, examples) } else { average.scores() };
    Ok(Evaluation { mean, posterior, accuracy, accuracy_posterior, samples, examples })
}
