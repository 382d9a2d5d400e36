//! A look into every update, for comparing it with another implementation.

use crate::core::error::Result;
use crate::optimizers::state::State;

/// Is shown what enters and what leaves every update. All slices hold every parameter in declaration order without padding.
pub trait Tracer {
    /// One Monte Carlo sample of step `step` (counted from 1): its number (from 0), its standard normals, and its gradient as it enters
    /// the update, after clipping. An optimizer without a posterior has no noise.
    ///
    /// # Errors
    /// Whatever stops the step.
    fn sample(&mut self, step: u32, sample: u32, noise: &[f32], gradient: &[f32]) -> Result<()>;

    /// The state after step `step` with learning rate `lr`; [`State::unpadded`] gives its buffers.
    ///
    /// # Errors
    /// Whatever stops the step.
    fn update(&mut self, step: u32, lr: f64, state: &State) -> Result<()>;
}
