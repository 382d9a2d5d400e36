//! A ready training loop: schedule, evaluation at the mean and over posterior samples, progress.
//!
//! ```text
//! let mut optimizer = Ivon::new(&model, IvonConfig { ess: 6e4, ..IvonConfig::default() }, Settings::default())?;
//! let trainer = Trainer { examples: 64, ..Trainer::new(Schedule::cosine(0.2, 0.0, 100, 2000)) };
//! let summary = trainer.run(
//!     &mut optimizer,
//!     |cx, at| { let (x, y) = data.batch(at.step)?; model.loss_gradient(cx, &x, &y) },
//!     |cx| log_likelihoods(cx, &model, &data.validation),
//!     &mut Lines::every(100, std::io::stderr()),
//! )?;
//! println!("{:.3} at the mean, {:.3} over samples", summary.evaluation.mean, summary.evaluation.posterior);
//! ```

mod evaluation;
mod progress;
#[cfg(test)]
mod tests;

pub use evaluation::{Evaluation, evaluate};
pub use progress::{Lines, Progress, Report};

use crate::context::Context;
use crate::error::Result;
use crate::optimizers::Optimizer;
use crate::schedule::Schedule;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Which part of the data a gradient is wanted for. Data that is chosen by these numbers alone makes a run repeatable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The step, counted from 0.
    pub step: usize,
    /// The micro-batch of the step, counted from 0.
    pub micro_batch: usize,
}

/// A training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainer {
    /// Learning rate of each step, and how many steps there are.
    pub schedule: Schedule,
    /// Steps between two evaluations at the mean; 0 for one at the end only.
    pub evaluate_every: usize,
    /// Posterior samples that the evaluation at the end averages over.
    pub samples: usize,
    /// Examples (or tokens) of one update, for the rate in the progress.
    pub examples: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Updates done, those of earlier runs of the same state included.
    pub steps: usize,
    /// Whether progress stopped it before its last step.
    pub stopped: bool,
    /// Time spent on updates.
    pub training: Duration,
    /// Loss of the last step, smoothed.
    pub loss: f64,
    /// The evaluation at the end.
    pub evaluation: Evaluation,
}

impl Trainer {
    /// A run with this schedule, evaluated at its end over 16 samples.
    pub fn new(schedule: Schedule) -> Trainer {
        Trainer { schedule, evaluate_every: 0, samples: 16, examples: 1 }
    }

    /// Trains from the step that the optimizer's state is at to the last one of the schedule.
    ///
    /// `gradient` adds the gradient of one micro-batch and returns its loss, as generated `.._gradient` methods do. `validate` returns the
    /// log-likelihood of each validation example (in nats) at the context's weights; of none, if there is no such data.
    ///
    /// # Errors
    /// Those of `gradient`, `validate` and `progress`, and those of [`Optimizer::step_in_parts`].
    pub fn run(
        &self,
        optimizer: &mut dyn Optimizer,
        mut gradient: impl FnMut(&Context, At) -> Result<f64>,
        mut validate: impl FnMut(&Context) -> Result<Vec<f64>>,
        progress: &mut dyn Progress,
    ) -> Result<Summary> {
        self.schedule.check()?;
        let first = optimizer.state().step() as usize;
        let (mut training, mut smooth, mut stopped) = (Duration::ZERO, Smooth::default(), false);
        for step in first..self.schedule.steps {
            let lr = self.schedule.at(step);
            let begin = Instant::now();
            let loss = optimizer.step_in_parts(lr, &mut |cx, micro_batch| gradient(cx, At { step, micro_batch }))?;
            training += begin.elapsed();
            let report = Report {
                step: step + 1,
                steps: self.schedule.steps,
                lr,
                loss,
                smooth: smooth.add(loss),
                training,
                rate: (self.examples * (step + 1 - first)) as f64 / training.as_secs_f64().max(1e-9),
                remaining: training.mul_f64((self.schedule.steps - step - 1) as f64 / (step + 1 - first) as f64),
            };
            if progress.step(&report, optimizer)? == ControlFlow::Break(()) {
                stopped = step + 1 < self.schedule.steps;
                break;
            }
            let last = step + 1 == self.schedule.steps;
            if self.evaluate_every > 0 && (step + 1) % self.evaluate_every == 0 && !last {
                let evaluation = evaluate(optimizer, 0, &mut validate)?;
                progress.evaluation(step + 1, &evaluation)?;
            }
        }
        let evaluation = evaluate(optimizer, self.samples, &mut validate)?;
        let steps = optimizer.state().step() as usize;
        progress.evaluation(steps, &evaluation)?;
        Ok(Summary { steps, stopped, training, loss: smooth.value(), evaluation })
    }
}

/// An exponential average over about the last 20 losses, without a bias to its start.
#[derive(Default)]
struct Smooth {
    sum: f64,
    weight: f64,
}

impl Smooth {
    const KEEP: f64 = 0.95;

    fn add(&mut self, x: f64) -> f64 {
        self.sum = Self::KEEP * self.sum + (1.0 - Self::KEEP) * x;
        self.weight = Self::KEEP * self.weight + (1.0 - Self::KEEP);
        self.value()
    }

    fn value(&self) -> f64 {
        self.sum / self.weight
    }
}
