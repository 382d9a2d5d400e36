//! Lion (Chen et al. 2023, algorithm 2): the sign of an average of gradients.
//!
//! ```text
//! c        = beta1 · momentum + (1 − beta1) · g
//! momentum = beta2 · momentum + (1 − beta2) · g
//! mean     = mean − lr · (sign(c) + weight_decay · mean)
//! ```

use ivon_runtime::optimizers::{Point, Rule, Step};
use ivon_runtime::{Error, Flat, Result};
use serde::Serialize;

/// Lion: 12 bytes a parameter, the gradient included.
pub type Lion = Point<LionConfig>;

/// The hyper-parameters of [`Lion`].
#[derive(Clone, Debug, Serialize)]
pub struct LionConfig {
    /// The share of the momentum in the step.
    pub beta1: f64,
    /// Decay of the momentum.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for LionConfig {
    fn default() -> Self {
        LionConfig { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Rule for LionConfig {
    const NAME: &'static str = "lion";
    const BUFFERS: &'static [&'static str] = &["momentum"];
    const OPERATIONS: usize = 10;

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        match [self.beta1, self.beta2].iter().all(|beta| (0.0..1.0).contains(beta)) {
            true => Ok(()),
            false => Err(Error::config(format!("beta1 is {} and beta2 {}: both are from 0 to below 1", self.beta1, self.beta2))),
        }
    }

    fn update(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool {
        let (lr, beta1, beta2) = (step.lr as f32, self.beta1 as f32, self.beta2 as f32);
        step.elementwise(buffers, gradient, |decay, [mean, momentum], g| {
            let c = beta1 * *momentum + (1.0 - beta1) * g;
            *momentum = beta2 * *momentum + (1.0 - beta2) * g;
            let sign = if c == 0.0 { 0.0 } else { c.signum() };
            *mean -= lr * (sign + decay * *mean);
        })
    }
}
