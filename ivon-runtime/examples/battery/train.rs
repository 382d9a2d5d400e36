//! One run of a task, without a hyper-parameter.

use super::tasks::{Classifier, Regressor, Rows, Task};
use ivon_runtime::LogAverage;
use ivon_runtime::optimizers::Warning;
use ivon_runtime::prelude::*;
use std::f64::consts::TAU;

/// Posterior samples of the average.
const SAMPLES: usize = 32;
const BATCH: usize = 50;

/// The result of a run; losses are negative log-likelihoods in nats.
pub struct Outcome {
    /// Training loss at the mean before and after the run.
    pub start: f64,
    pub end: f64,
    /// Validation loss at the mean, and averaged over samples.
    pub mean: f64,
    pub average: f64,
    /// That of the constant predictor: the frequencies of the classes, or mean and standard deviation of the targets.
    pub constant: f64,
    /// Standard error of the difference between the average and the constant predictor.
    pub error: f64,
    pub warnings: Vec<Warning>,
}

impl Outcome {
    /// True if the run did not diverge: neither the training loss nor the average is worse than before anything was learnt.
    pub fn is_good(&self) -> bool {
        self.end <= self.start && self.average <= self.constant + 2.0 * self.error
    }
}

/// Trains with a plan alone; with a learning rate, AdamW with that and a weight decay of 0.01.
///
/// # Errors
/// If the run ends with an error.
pub fn train(task: &Task, steps: usize, seed: u64, adamw: Option<f64>) -> Result<Outcome> {
    if task.classes == 0 { regress(task, steps, seed, adamw) } else { classify(task, steps, seed, adamw) }
}

fn classify(task: &Task, steps: usize, seed: u64, adamw: Option<f64>) -> Result<Outcome> {
    let model = Classifier::build(task.columns, task.classes)?;
    let gradient = |cx: &Context, x: &Tensor, y: &[f32]| {
        let labels: Vec<u32> = y.iter().map(|y| *y as u32).collect();
        model.loss_gradient(cx, x, &Tensor::from_slice(&labels, [labels.len()])?)
    };
    let likelihoods = |cx: &Context, x: &Tensor, y: &[f32]| {
        let logits = model.logits(cx, x)?.to_f64();
        let row = |(row, y): (&[f64], &f32)| {
            let high = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
            row[*y as usize] - high - row.iter().map(|x| (x - high).exp()).sum::<f64>().ln()
        };
        Ok(logits.chunks(task.classes).zip(y).map(row).collect())
    };
    run(&model, task, steps, seed, adamw, gradient, likelihoods)
}

fn regress(task: &Task, steps: usize, seed: u64, adamw: Option<f64>) -> Result<Outcome> {
    let model = Regressor::build(task.columns)?;
    let gradient = |cx: &Context, x: &Tensor, y: &[f32]| model.loss_gradient(cx, x, &Tensor::from_slice(y, [y.len(), 1])?);
    let likelihoods = |cx: &Context, x: &Tensor, y: &[f32]| {
        let (mean, log) = (model.mean(cx, x)?.to_f64(), model.log_variance(cx, x)?.to_f64());
        let row = |((m, s), y): ((&f64, &f64), &f32)| -0.5 * (TAU.ln() + s + (f64::from(*y) - m).powi(2) * (-s).exp());
        Ok(mean.iter().zip(&log).zip(y).map(row).collect())
    };
    run(&model, task, steps, seed, adamw, gradient, likelihoods)
}

fn run(
    model: &impl Model,
    task: &Task,
    steps: usize,
    seed: u64,
    adamw: Option<f64>,
    gradient: impl Fn(&Context, &Tensor, &[f32]) -> Result<f64>,
    likelihoods: impl Fn(&Context, &Tensor, &[f32]) -> Result<Vec<f64>>,
) -> Result<Outcome> {
    let examples = task.training.y.len();
    let batch = BATCH.min(examples);
    let plan = Plan { examples, batch, steps };
    let settings = Settings::default().seed(seed);
    let (mut optimizer, schedule): (Box<dyn Optimizer>, Schedule) = match adamw {
        None => (Box::new(Ivon::auto(model, plan, settings)?), plan.schedule()),
        Some(lr) => {
            let config = AdamWConfig::default().weight_decay(0.01);
            (Box::new(AdamW::new(model, config, settings)?), plan.schedule().lr(lr))
        }
    };
    let columns = task.columns;
    let all = |cx: &Context, rows: &Rows| -> Result<Vec<f64>> {
        likelihoods(cx, &Tensor::from_slice(&rows.x, [rows.y.len(), columns])?, &rows.y)
    };
    let nll = |log: &[f64]| -log.iter().sum::<f64>() / log.len() as f64;
    let start = nll(&optimizer.at_mean(|cx| all(cx, &task.training))?);
    let (mut x, mut y, mut warnings) = (vec![], vec![], vec![]);
    for step in 0..steps {
        x.clear();
        y.clear();
        for k in step * batch..(step + 1) * batch {
            let row = shuffled(k % examples, k / examples, examples);
            x.extend_from_slice(&task.training.x[row * columns..][..columns]);
            y.push(task.training.y[row]);
        }
        let batch = Tensor::from_slice(&x, [y.len(), columns])?;
        optimizer.step_in_parts(schedule.at(step), &mut |cx, _| gradient(cx, &batch, &y))?;
        warnings.extend(std::iter::from_fn(|| optimizer.take_warning()));
    }
    let end = nll(&optimizer.at_mean(|cx| all(cx, &task.training))?);
    let at_mean = optimizer.at_mean(|cx| all(cx, &task.validation))?;
    let mut average = LogAverage::new();
    for k in 0..if adamw.is_some() { 1 } else { SAMPLES } {
        average.add(optimizer.at_sample(k as u32, |cx| all(cx, &task.validation))?.into_iter())?;
    }
    let constant = constant(task);
    let difference: Vec<f64> = constant.iter().zip(average.log_probabilities()).map(|(c, a)| c - a).collect();
    let n = difference.len() as f64;
    let middle = difference.iter().sum::<f64>() / n;
    let variance = difference.iter().map(|d| (d - middle).powi(2)).sum::<f64>() / n;
    Ok(Outcome {
        start,
        end,
        mean: nll(&at_mean),
        average: average.nll(),
        constant: nll(&constant),
        error: (variance / n).sqrt(),
        warnings,
    })
}

/// The place of row `i` in epoch `epoch`: a Feistel network over the rows, walked until it lands among them.
fn shuffled(i: usize, epoch: usize, rows: usize) -> usize {
    let half = (usize::BITS - rows.leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut place = i as u64;
    loop {
        let (mut left, mut right) = (place >> half, place & mask);
        for round in 0..4u64 {
            let mixed =
                (right + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (epoch as u64 * 4 + round).wrapping_mul(0xD1B5_4A32_D192_ED03);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (left, right) = (right, left ^ ((mixed >> 32) & mask));
        }
        place = left << half | right;
        if (place as usize) < rows {
            return place as usize;
        }
    }
}

/// The log-likelihood of each validation row under the constant predictor.
fn constant(task: &Task) -> Vec<f64> {
    let (training, validation) = (&task.training.y, &task.validation.y);
    let n = training.len() as f64;
    if task.classes > 0 {
        let count = |class: f32| training.iter().filter(|y| **y == class).count() as f64;
        return validation.iter().map(|y| (count(*y).max(0.5) / n).ln()).collect();
    }
    let mean = training.iter().map(|y| f64::from(*y)).sum::<f64>() / n;
    let variance = training.iter().map(|y| (f64::from(*y) - mean).powi(2)).sum::<f64>() / n;
    validation.iter().map(|y| -0.5 * ((TAU * variance).ln() + (f64::from(*y) - mean).powi(2) / variance)).collect()
}
