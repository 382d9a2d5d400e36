//! Progress of a run.

use super::{Evaluation, Smooth, Summary, Trainer};
use crate::core::error::{Error, Result};
use crate::optimizers::{Optimizer, Warning};
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

/// The state of a run after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Steps done.
    pub step: usize,
    /// Steps of the run.
    pub steps: usize,
    /// Learning rate of the step.
    pub lr: f64,
    /// Loss of the step.
    pub loss: f64,
    /// Loss averaged over about the last 20 steps.
    pub smooth: f64,
    /// The average whose value is `smooth`.
    pub average: Smooth,
    /// Time spent on updates so far.
    pub training: Duration,
    /// Examples (or tokens) a second.
    pub rate: f64,
    /// Time left, as far as one can tell.
    pub remaining: Duration,
    /// True if an evaluation of this state follows.
    pub evaluating: bool,
}

/// The history of a resumed run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Before {
    /// Time spent on updates.
    pub training: Duration,
    /// The average of the training loss.
    pub average: Smooth,
    /// The differences from the earlier run, in words.
    pub warnings: Vec<String>,
    /// True where the state was not evaluated: the run was stopped before an evaluation that was due.
    pub unevaluated: bool,
}

/// Is told of every step and evaluation. What happens between steps happens here: drawing, writing metrics, saving.
pub trait Progress {
    /// Before the first step: what the run has behind it, if it goes on.
    ///
    /// # Errors
    /// Whatever keeps the run from starting.
    fn start(&mut self, _trainer: &Trainer, _optimizer: &dyn Optimizer) -> Result<Before> {
        Ok(Before::default())
    }

    /// After a step. The optimizer gives `statistics` where they are wanted, and its state. `Break` ends the run here.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>>;

    /// After an evaluation at `step` steps done.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn evaluation(&mut self, step: usize, evaluation: &Evaluation, optimizer: &dyn Optimizer) -> Result<()>;

    /// Before an evaluation looks at the validation data for the `pass`-th time of `passes`, counted from 0: at the mean, then at each sample.
    fn evaluating(&mut self, _pass: usize, _passes: usize) {}

    /// Something that the user should know, after `step` steps.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn warning(&mut self, _step: usize, _warning: &Warning) -> Result<()> {
        Ok(())
    }

    /// A line for the log of a run that starts: a derived value and its reason.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn note(&mut self, _line: &str) -> Result<()> {
        Ok(())
    }

    /// At the end of a run without an error.
    ///
    /// # Errors
    /// Whatever is left to fail.
    fn finish(&mut self, _summary: &Summary) -> Result<()> {
        Ok(())
    }

    /// When an error ends the run: the same error, with what is known here of how to go on.
    fn failure(&mut self, error: Error) -> Error {
        error
    }
}

/// Says nothing.
impl Progress for () {
    fn step(&mut self, _: &Report, _: &dyn Optimizer) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
    fn evaluation(&mut self, _: usize, _: &Evaluation, _: &dyn Optimizer) -> Result<()> {
        Ok(())
    }
}

/// Tells another one's.
impl<P: Progress + ?Sized> Progress for &mut P {
    fn start(&mut self, trainer: &Trainer, optimizer: &dyn Optimizer) -> Result<Before> {
        (**self).start(trainer, optimizer)
    }
    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        (**self).step(report, optimizer)
    }
    fn evaluation(&mut self, step: usize, evaluation: &Evaluation, optimizer: &dyn Optimizer) -> Result<()> {
        (**self).evaluation(step, evaluation, optimizer)
    }
    fn evaluating(&mut self, pass: usize, passes: usize) {
        (**self).evaluating(pass, passes);
    }
    fn warning(&mut self, step: usize, warning: &Warning) -> Result<()> {
        (**self).warning(step, warning)
    }
    fn note(&mut self, line: &str) -> Result<()> {
        (**self).note(line)
    }
    fn finish(&mut self, summary: &Summary) -> Result<()> {
        (**self).finish(summary)
    }
    fn failure(&mut self, error: Error) -> Error {
        (**self).failure(error)
    }
}

/// Tells both, the first one first. What the run has behind it is what the first one knows.
impl<A: Progress, B: Progress> Progress for (A, B) {
    fn start(&mut self, trainer: &Trainer, optimizer: &dyn Optimizer) -> Result<Before> {
        let before = self.0.start(trainer, optimizer)?;
        self.1.start(trainer, optimizer)?;
        Ok(before)
    }
    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        let (first, second) = (self.0.step(report, optimizer)?, self.1.step(report, optimizer)?);
        Ok(if first.is_break() { first } else { second })
    }
    fn evaluation(&mut self, step: usize, evaluation: &Evaluation, optimizer: &dyn Optimizer) -> Result<()> {
        self.0.evaluation(step, evaluation, optimizer)?;
        self.1.evaluation(step, evaluation, optimizer)
    }
    fn evaluating(&mut self, pass: usize, passes: usize) {
        self.0.evaluating(pass, passes);
        self.1.evaluating(pass, passes);
    }
    fn warning(&mut self, step: usize, warning: &Warning) -> Result<()> {
        self.0.warning(step, warning)?;
        self.1.warning(step, warning)
    }
    fn note(&mut self, line: &str) -> Result<()> {
        self.0.note(line)?;
        self.1.note(line)
    }
    fn finish(&mut self, summary: &Summary) -> Result<()> {
        self.0.finish(summary)?;
        self.1.finish(summary)
    }
    fn failure(&mut self, error: Error) -> Error {
        let error = self.0.failure(error);
        self.1.failure(error)
    }
}

/// A plain line now and then.
pub struct Lines<W> {
    every: usize,
    out: W,
}

impl<W: Write> Lines<W> {
    /// A line every so many steps, and for the first and the last one.
    pub fn every(every: usize, out: W) -> Self {
        Lines { every: every.max(1), out }
    }
}

impl<W: Write> Progress for Lines<W> {
    fn step(&mut self, r: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        if r.step.is_multiple_of(self.every) || r.step == 1 || r.step == r.steps {
            let posterior = optimizer.statistics().map_or(String::new(), |s| {
                format!("  h {:.2e} to {:.2e}  sigma {:.2e}", s.hessian_min, s.hessian_max, s.sigma_mean)
            });
            let (left, width) = (r.remaining.as_secs(), r.steps.to_string().len());
            let written = writeln!(
                self.out,
                "step {:width$}/{}  loss {:.4}  lr {:.3e}  {:.0}/s  {}:{:02} left{posterior}",
                r.step,
                r.steps,
                r.smooth,
                r.lr,
                r.rate,
                left / 60,
                left % 60
            );
            unless_unread(written)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn evaluation(&mut self, step: usize, e: &Evaluation, _: &dyn Optimizer) -> Result<()> {
        if e.examples == 0 {
            return Ok(());
        }
        let posterior = if e.samples > 0 { format!("  {:.4} over {} samples", e.posterior, e.samples) } else { String::new() };
        unless_unread(writeln!(self.out, "step {step}  validation loss {:.4} at the mean{posterior}", e.mean))
    }

    fn warning(&mut self, step: usize, warning: &Warning) -> Result<()> {
        unless_unread(writeln!(self.out, "step {step}  warning: {warning}"))
    }

    fn note(&mut self, line: &str) -> Result<()> {
        unless_unread(writeln!(self.out, "{line}"))
    }
}

/// A closed pipe does not end a run.
fn unless_unread(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::file("progress", format!("cannot be written: {e}"))),
        _ => Ok(()),
    }
}
