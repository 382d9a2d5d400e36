//! How good predictions of classes are.

use ivon_runtime::optimizers::Weights;
use ivon_runtime::{Context, LogAverage, Result, Tensor, prelude::Optimizer};

/// Scores of predicted probabilities against labels.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Mean negative log-likelihood, in nats.
    pub nll: f64,
    /// Share of wrong answers.
    pub error: f64,
    /// Expected calibration error: |confidence − accuracy|, averaged over 15 bins of confidence (Guo et al. 2017).
    pub ece: f64,
}

impl Scores {
    /// From log-probabilities `[n, classes]`, row-major, and labels `[n]`.
    pub fn of(log_probabilities: &[f64], labels: &[u32]) -> Scores {
        const BINS: usize = 15;
        let classes = log_probabilities.len() / labels.len();
        let (mut nll, mut wrong, mut bins) = (0.0, 0.0, [(0.0, 0.0); BINS]);
        for (row, label) in log_probabilities.chunks(classes).zip(labels) {
            let best = (0..classes).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
            let (confidence, right) = (row[best].exp(), f64::from(best == *label as usize));
            nll -= row[*label as usize];
            wrong += 1.0 - right;
            let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + confidence, bin.1 + right);
        }
        let n = labels.len() as f64;
        let ece = bins.iter().map(|(confidence, right)| (confidence - right).abs()).sum::<f64>() / n;
        Scores { nll: nll / n, error: wrong / n, ece }
    }
}

/// The scores at the mean, and of probabilities averaged over posterior samples (the same without a posterior).
///
/// # Errors
/// Those of `logits`.
pub fn score(
    optimizer: &mut dyn Optimizer,
    samples: u32,
    labels: &[u32],
    mut logits: impl FnMut(&Context) -> Result<Tensor>,
) -> Result<(Scores, Scores)> {
    let at_mean = average(optimizer, &[Weights::Mean], labels, &mut logits)?;
    if optimizer.posterior().is_point() || samples == 0 {
        return Ok((at_mean, at_mean));
    }
    let weights: Vec<Weights> = (0..samples).map(Weights::Sample).collect();
    Ok((at_mean, average(optimizer, &weights, labels, &mut logits)?))
}

fn average(
    optimizer: &mut dyn Optimizer,
    weights: &[Weights],
    labels: &[u32],
    logits: &mut dyn FnMut(&Context) -> Result<Tensor>,
) -> Result<Scores> {
    let mut average = LogAverage::new();
    for at in weights {
        optimizer.evaluate(*at, &mut |cx| average.add_logits(&logits(cx)?))?;
    }
    let all: Vec<f64> = average.log_probabilities().collect();
    Ok(Scores::of(&all, labels))
}
