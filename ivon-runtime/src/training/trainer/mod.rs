//! A ready training loop: schedule, evaluation at the mean and over posterior samples, progress.
//!
//! ```text
//! let mut optimizer = Ivon::new(&model, IvonConfig::new(6e4), Settings::default())?;
//! let trainer = Trainer::new(Schedule::cosine(0.2, 0.0, 100, 2000)).examples(64);
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
mod smooth;
mod stop;
#[cfg(test)]
mod tests;

use evaluation::evaluate_telling;
pub use evaluation::{Evaluation, Predictions, evaluate};
pub use progress::{Before, Lines, Progress, Report};
pub use smooth::Smooth;
pub use stop::Stop;

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::core::setters::setters;
use crate::optimizers::{Optimizer, Sign, Warning};
use crate::training::schedule::Schedule;
use serde::Serialize;
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
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

setters!(Trainer { schedule: Schedule, evaluate_every: usize, samples: usize, examples: usize });

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Updates done, those of earlier runs of the same state included.
    pub steps: usize,
    /// True if progress stopped it before its last step.
    pub stopped: bool,
    /// Time spent on updates.
    pub training: Duration,
    /// Loss of the last step, smoothed.
    pub loss: f64,
    /// The evaluation at the end; of no examples where the run was stopped before.
    pub evaluation: Evaluation,
}

impl Trainer {
    /// A run with this schedule, evaluated at its end over 16 samples.
    pub fn new(schedule: Schedule) -> Trainer {
        Trainer { schedule, evaluate_every: 0, samples: 16, examples: 1 }
    }

    /// Trains from the step that the optimizer's state is at to the last one of the schedule.
    ///
    /// `gradient` adds the gradient of one micro-batch and returns its loss, as generated `.._gradient` methods do. `validate` returns what the model
    /// says of the validation examples at the context's weights: [`Predictions`], or the log-likelihood of each (in nats); of none, if there is no
    /// such data.
    ///
    /// # Errors
    /// Those of `gradient`, `validate` and `progress`, and those of [`Optimizer::step_in_parts`]. If the validation loss at the end is not finite.
    pub fn run<P: Into<Predictions>>(
        &self,
        optimizer: &mut dyn Optimizer,
        mut gradient: impl FnMut(&Context, At) -> Result<f64>,
        mut validate: impl FnMut(&Context) -> Result<P>,
        progress: &mut dyn Progress,
    ) -> Result<Summary> {
        let mut validate = |cx: &Context| validate(cx).map(P::into);
        self.go(optimizer, &mut gradient, &mut validate, progress).map_err(|error| progress.failure(error))
    }

    fn go(
        &self,
        optimizer: &mut dyn Optimizer,
        gradient: &mut dyn FnMut(&Context, At) -> Result<f64>,
        validate: &mut dyn FnMut(&Context) -> Result<Predictions>,
        progress: &mut dyn Progress,
    ) -> Result<Summary> {
        self.schedule.check()?;
        let (first, last) = (optimizer.state().step() as usize, self.schedule.steps);
        let before = progress.start(self, optimizer)?;
        if first == 0 {
            optimizer.derived().iter().try_for_each(|derived| progress.note(&derived.to_string()))?;
        }
        let told = |warning: &String| progress.warning(first, &Warning::new(Sign::Note, warning));
        before.warnings.iter().try_for_each(told)?;
        let (mut training, mut average, mut stopped) = (Duration::ZERO, before.average, false);
        let mut evaluate = |optimizer: &mut dyn Optimizer, samples: usize, progress: &mut dyn Progress| {
            evaluate_telling(optimizer, samples, validate, &mut |pass, passes| progress.evaluating(pass, passes))
        };
        let due = |done: usize| self.evaluate_every > 0 && done.is_multiple_of(self.evaluate_every);
        if before.unevaluated && first < last && due(first) {
            let evaluation = evaluate(optimizer, 0, progress)?;
            self.tell(first, &evaluation, optimizer, progress)?;
        }
        for step in first..last {
            let lr = self.schedule.at(step);
            let begin = Instant::now();
            let loss = optimizer.step_in_parts(lr, &mut |cx, micro_batch| gradient(cx, At { step, micro_batch }))?;
            training += begin.elapsed();
            average.add(loss);
            let done = step + 1;
            let evaluating = done == last || due(done);
            let report = Report {
                step: done,
                steps: last,
                lr,
                loss,
                smooth: average.value(),
                average,
                training: before.training + training,
                rate: self.examples as f64 * (done - first) as f64 / training.as_secs_f64().max(1e-9),
                remaining: Duration::try_from_secs_f64(training.as_secs_f64() * (last - done) as f64 / (done - first) as f64)
                    .unwrap_or(Duration::MAX),
                evaluating,
            };
            if done == self.first_look() || done == last {
                stuck(optimizer).map_or(Ok(()), |warning| progress.warning(done, &warning))?;
            }
            while let Some(warning) = optimizer.take_warning() {
                progress.warning(done, &warning)?;
                if warning.sign == Sign::Diverged {
                    return Err(Error::Diverged { step: done, message: warning.message });
                }
            }
            if progress.step(&report, optimizer)? == ControlFlow::Break(()) {
                stopped = done < last;
                break;
            }
            if evaluating && done < last {
                let evaluation = evaluate(optimizer, 0, progress)?;
                self.tell(done, &evaluation, optimizer, progress)?;
            }
        }
        let steps = optimizer.state().step() as usize;
        let mut evaluation = Evaluation::none();
        if !stopped {
            evaluation = evaluate(optimizer, self.samples, progress)?;
            progress.evaluation(steps, &evaluation, optimizer)?;
            noisy(&evaluation).map_or(Ok(()), |warning| progress.warning(steps, &warning))?;
            not_finite(&evaluation)
                .map_or(Ok(()), |warning| Err(Error::value(format!("the evaluation after step {steps}"), warning.message)))?;
        }
        let summary = Summary { steps, stopped, training: before.training + training, loss: average.value(), evaluation };
        progress.finish(&summary)?;
        Ok(summary)
    }

    /// Tells of an evaluation before the end. A loss that is not finite may still become finite.
    fn tell(&self, step: usize, evaluation: &Evaluation, optimizer: &dyn Optimizer, progress: &mut dyn Progress) -> Result<()> {
        progress.evaluation(step, evaluation, optimizer)?;
        not_finite(evaluation).map_or(Ok(()), |warning| progress.warning(step, &warning))
    }

    /// After how many steps the Hessian should have begun to move.
    fn first_look(&self) -> usize {
        (self.schedule.steps / 10).max(100)
    }
}

/// A message where a validation loss is NaN or infinite.
fn not_finite(evaluation: &Evaluation) -> Option<Warning> {
    let Evaluation { mean, posterior, samples, examples, .. } = *evaluation;
    let (loss, place) = match (mean.is_finite(), posterior.is_finite()) {
        (false, _) => (mean, "at the mean".to_string()),
        (true, false) => (posterior, format!("averaged over {samples} samples")),
        _ => return None,
    };
    (examples > 0).then(|| {
        let message = format!(
            "the validation loss {place} is {loss} while the training loss is finite: look for values in the validation data that are not \
             finite or far outside of the training data's, or lower the learning rate"
        );
        Warning::new(Sign::NotFinite, message)
    })
}

/// A warning where the average over samples predicts much worse than the mean: by more than a tenth of its loss, or of a nat.
fn noisy(evaluation: &Evaluation) -> Option<Warning> {
    let Evaluation { mean, posterior, samples, .. } = *evaluation;
    // NaN counts as noisy.
    let close = posterior - mean <= 0.1 * mean.abs().max(1.0);
    (samples > 0 && !close && mean.is_finite()).then(|| {
        let message = format!(
            "averaged over {samples} samples the loss is {posterior:.4}, at the mean {mean:.4}: the samples are too noisy. Raise ess, which sigma falls \
             with (sigma² = 1 / (ess · (h + weight decay))), or beta2 where the Hessian h has fallen far below hess_init in a short run"
        );
        Warning::new(Sign::NoisySamples, message).of(posterior)
    })
}

/// A warning where no element of the Hessian is off its start, or off what decay alone makes of that, by a thousandth: one of the two common failures of IVON.
fn stuck(optimizer: &dyn Optimizer) -> Option<Warning> {
    let s = optimizer.statistics()?;
    let at = |h: f64| (s.hessian_max - h).max(h - s.hessian_min) < 1e-3 * h;
    let what = if at(s.hessian_start) {
        format!("has not left its start, {:e}", s.hessian_start)
    } else if at(s.hessian_decayed) {
        format!("has only decayed from its start, {:e}, and knows nothing of the loss", s.hessian_start)
    } else {
        return None;
    };
    let message = format!(
        "the Hessian h {what}: it is {:e} to {:e}. The update is that of plain momentum then, and sigma that of the start: lower hess_init to the \
         size of the loss's curvature, or beta2, whose average is over 1 / (1 - beta2) steps",
        s.hessian_min, s.hessian_max
    );
    Some(Warning::new(Sign::HessianFrozen, message).of(s.hessian_max))
}
