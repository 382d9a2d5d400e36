//! What a run tells while it goes.

use super::Evaluation;
use crate::error::{Error, Result};
use crate::optimizers::Optimizer;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

/// Where a run is after a step.
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
    /// Time spent on updates so far.
    pub training: Duration,
    /// Examples (or tokens) a second.
    pub rate: f64,
    /// Time left, as far as one can tell.
    pub remaining: Duration,
}

/// Is told of every step and evaluation. What happens between steps happens here: drawing, writing metrics, saving.
pub trait Progress {
    /// After a step. The optimizer gives `statistics` where they are wanted, and its state. `Break` ends the run here.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn step(&mut self, report: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>>;

    /// After an evaluation at `step` steps done.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn evaluation(&mut self, step: usize, evaluation: &Evaluation) -> Result<()>;
}

/// Says nothing.
impl Progress for () {
    fn step(&mut self, _: &Report, _: &dyn Optimizer) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
    fn evaluation(&mut self, _: usize, _: &Evaluation) -> Result<()> {
        Ok(())
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
            writeln!(
                self.out,
                "step {:width$}/{}  loss {:.4}  lr {:.3e}  {:.0}/s  {}:{:02} left{posterior}",
                r.step,
                r.steps,
                r.smooth,
                r.lr,
                r.rate,
                left / 60,
                left % 60
            )
            .map_err(failed)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn evaluation(&mut self, step: usize, e: &Evaluation) -> Result<()> {
        if e.examples == 0 {
            return Ok(());
        }
        let posterior = if e.samples > 0 { format!("  {:.4} over {} samples", e.posterior, e.samples) } else { String::new() };
        writeln!(self.out, "step {step}  validation loss {:.4} at the mean{posterior}", e.mean).map_err(failed)
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::file("progress", error)
}
