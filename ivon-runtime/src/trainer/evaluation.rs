//! How good a model is at the mean and averaged over posterior samples.

use crate::context::Context;
use crate::error::Result;
use crate::optimizers::{Optimizer, Weights, at};
use crate::posterior::LogAverage;

/// Negative log-likelihoods per example, in nats; not a number where there was no example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// At the mean of the posterior.
    pub mean: f64,
    /// Of the probabilities averaged over samples; that at the mean where there were no samples to average.
    pub posterior: f64,
    /// Samples averaged over.
    pub samples: usize,
    /// Examples.
    pub examples: usize,
}

impl Evaluation {
    /// Of no examples.
    pub fn none() -> Evaluation {
        Evaluation { mean: f64::NAN, posterior: f64::NAN, samples: 0, examples: 0 }
    }
}

/// Evaluates at the mean and over `samples` posterior samples, one in memory at a time. An optimizer without a posterior has none.
///
/// `validate` returns the log-likelihood of each example at the context's weights, the same examples each time.
///
/// # Errors
/// Those of `validate`, and if the number of examples changes from call to call.
pub fn evaluate(
    optimizer: &mut dyn Optimizer,
    samples: usize,
    validate: &mut dyn FnMut(&Context) -> Result<Vec<f64>>,
) -> Result<Evaluation> {
    let mut average = LogAverage::new();
    average.add(at(optimizer, Weights::Mean, &mut *validate)?.into_iter())?;
    let (mean, examples) = (average.nll(), average.log_probabilities().len());
    let samples = if optimizer.posterior().is_point() || examples == 0 { 0 } else { samples };
    let mut average = LogAverage::new();
    for k in 0..samples {
        average.add(at(optimizer, Weights::Sample(k as u32), &mut *validate)?.into_iter())?;
    }
    let posterior = if samples == 0 { mean } else { average.nll() };
    Ok(Evaluation { mean, posterior, samples, examples })
}
