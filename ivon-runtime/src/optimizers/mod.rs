//! Optimizers behind one interface: [`Ivon`], [`AdamW`], [`Sgd`].
//!
//! A step by hand:
//!
//! ```text
//! let mut optimizer = Ivon::new(&model, IvonConfig::new(6e4), Settings::default())?;
//! for (x, y) in batches {
//!     let loss = optimizer.step(0.1, |cx| model.loss_gradient(cx, &x, &y))?;
//! }
//! let loss = optimizer.at_mean(|cx| model.loss(cx, &x, &y)?.item())?;
//! ```

mod adamw;
mod driver;
pub(crate) mod gpu;
mod ivon;
mod point;
mod sgd;
pub(crate) mod state;
#[cfg(test)]
pub(crate) mod tests;
mod trace;
pub(crate) mod watch;

pub use adamw::{AdamW, AdamWConfig};
pub use driver::Settings;
pub use ivon::{Derived, HessianEstimate, Ivon, IvonConfig, Plan, Prior, SamplePer, Statistics, Suggestion};
pub use point::{Point, Rule, Step};
pub use sgd::{Sgd, SgdConfig};
pub use trace::Tracer;
pub use watch::{Sign, Warning};

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::optimizers::state::State;
use crate::posterior::Posterior;
use serde_json::{Map, Value};

/// Which weights to evaluate a model at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The mean of the posterior.
    Mean,
    /// The posterior sample of this number: the same noise each time.
    Sample(u32),
}

/// The gradient of one micro-batch: adds it into the context's gradient buffer, scaled by the context's loss scale, and
/// returns the loss. The number counts the micro-batches of the update from 0.
pub type Gradient<'a> = dyn FnMut(&Context, usize) -> Result<f64> + 'a;

/// Something that trains a model. It owns the model's [`State`] and the [`Context`] it computes in.
pub trait Optimizer {
    /// Its name in logs: `ivon`, `adamw`, `sgd`.
    fn name(&self) -> &'static str;

    /// Its hyper-parameters and settings by name, for logs and checkpoints.
    fn hyperparameters(&self) -> Map<String, Value>;

    /// The context of all passes. Outside of a step and of `at_mean`, `at_sample` its weights are those of the next step.
    fn context(&self) -> &Context;

    /// The state: what a checkpoint keeps.
    fn state(&self) -> &State;

    /// Lets `load` overwrite the state, from a checkpoint or from imported weights, and draws the next sample from it.
    ///
    /// # Errors
    /// Those of `load`.
    fn restore(&mut self, load: &mut dyn FnMut(&mut State) -> Result<()>) -> Result<()>;

    /// Posterior samples an update averages over; 1 for optimizers without a posterior.
    fn samples_per_update(&self) -> usize {
        1
    }

    /// Micro-batches that the batch of an update is worked through in.
    fn micro_batches(&self) -> usize;

    /// One update, over the micro-batches of the settings. Returns the mean loss.
    ///
    /// # Errors
    /// Those of `gradient`, after which the state is what it was before; a loss, Hessian or weight that is not finite or out of range: what,
    /// in which step and parameter, and what to change. After the latter the state must be restored.
    fn step_in_parts(&mut self, lr: f64, gradient: &mut Gradient) -> Result<f64>;

    /// Calls `pass` with other weights, dropout off and no gradient. The next step is not changed by it, also where `pass`
    /// fails or panics.
    ///
    /// # Errors
    /// Those of `pass`.
    fn evaluate(&mut self, at: Weights, pass: &mut dyn FnMut(&Context) -> Result<()>) -> Result<()>;

    /// The posterior as it is now; for an optimizer without one, a point.
    fn posterior(&self) -> Posterior<'_>;

    /// Range of the Hessian and mean sigma, for logs; `None` without a posterior, and where it lies on a GPU that is lost.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// The values that a plan has decided, each with its reason; the trainer shows them when a run starts.
    fn derived(&self) -> Vec<Derived> {
        vec![]
    }

    /// Takes a warning that a step has left, the oldest first; the trainer shows all to its progress. A warning that is not taken is printed to
    /// stderr when the next step begins.
    fn take_warning(&mut self) -> Option<Warning> {
        None
    }

    /// Shows every further update to `tracer`.
    fn trace(&mut self, tracer: Option<Box<dyn Tracer>>);

    /// One update whose whole batch is one micro-batch.
    ///
    /// # Errors
    /// As [`Optimizer::step_in_parts`]; and if the settings ask for micro-batches.
    fn step(&mut self, lr: f64, mut gradient: impl FnMut(&Context) -> Result<f64>) -> Result<f64>
    where
        Self: Sized,
    {
        if self.micro_batches() > 1 {
            return Err(Error::config(
                "`step` takes the whole batch at once, but the settings ask for micro-batches: call `step_in_parts`, which gives the number of \
                 the micro-batch",
            ));
        }
        self.step_in_parts(lr, &mut |cx, _| gradient(cx))
    }

    /// The result of `pass` at the mean of the posterior.
    ///
    /// # Errors
    /// Those of `pass`.
    fn at_mean<R>(&mut self, pass: impl FnMut(&Context) -> Result<R>) -> Result<R>
    where
        Self: Sized,
    {
        at(self, Weights::Mean, pass)
    }

    /// The result of `pass` at posterior sample `k`: the same noise for the same `k`, whatever the step.
    ///
    /// # Errors
    /// Those of `pass`.
    fn at_sample<R>(&mut self, k: u32, pass: impl FnMut(&Context) -> Result<R>) -> Result<R>
    where
        Self: Sized,
    {
        at(self, Weights::Sample(k), pass)
    }
}

/// [`Optimizer::evaluate`] with a result.
pub(crate) fn at<R>(
    optimizer: &mut (impl Optimizer + ?Sized),
    weights: Weights,
    mut pass: impl FnMut(&Context) -> Result<R>,
) -> Result<R> {
    let mut result = None;
    optimizer.evaluate(weights, &mut |cx| {
        result = Some(pass(cx)?);
        Ok(())
    })?;
    result.ok_or_else(|| Error::config("an evaluation that succeeds has a result"))
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn hyperparameters(&self) -> Map<String, Value> {
        (**self).hyperparameters()
    }
    fn context(&self) -> &Context {
        (**self).context()
    }
    fn state(&self) -> &State {
        (**self).state()
    }
    fn restore(&mut self, load: &mut dyn FnMut(&mut State) -> Result<()>) -> Result<()> {
        (**self).restore(load)
    }
    fn samples_per_update(&self) -> usize {
        (**self).samples_per_update()
    }
    fn micro_batches(&self) -> usize {
        (**self).micro_batches()
    }
    fn step_in_parts(&mut self, lr: f64, gradient: &mut Gradient) -> Result<f64> {
        (**self).step_in_parts(lr, gradient)
    }
    fn evaluate(&mut self, at: Weights, pass: &mut dyn FnMut(&Context) -> Result<()>) -> Result<()> {
        (**self).evaluate(at, pass)
    }
    fn posterior(&self) -> Posterior<'_> {
        (**self).posterior()
    }
    fn statistics(&self) -> Option<Statistics> {
        (**self).statistics()
    }
    fn derived(&self) -> Vec<Derived> {
        (**self).derived()
    }
    fn take_warning(&mut self) -> Option<Warning> {
        (**self).take_warning()
    }
    fn trace(&mut self, tracer: Option<Box<dyn Tracer>>) {
        (**self).trace(tracer)
    }
}
