//! Prior precisions: given, by variance, or fitted to each tensor.

use super::{Ivon, IvonConfig};
use crate::context::flat::Layout;
use crate::core::error::Result;
use crate::optimizers::driver::require;
use crate::optimizers::state::{fan_in, on_matrices, weight_decays};
use crate::tensor::parameter::Parameter;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Prior precision of each parameter: delta of the formulas is the precision over `ess`.
///
/// A parameter with a weight decay of its own keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// delta is [`IvonConfig::weight_decay`] on tensors of two or more dimensions and 0 on others: sigma of the others has no bound.
    #[default]
    WeightDecay,
    /// The prior variance of each element; delta = 1 / (ess · variance). Sigma never exceeds the root of the variance where the Hessian is positive.
    Variance {
        /// The variance times the fan-in, on tensors of two or more dimensions. The fan-in is the number of elements over the first dimension.
        weights: f64,
        /// The variance on tensors of fewer dimensions.
        biases: f64,
    },
    /// Starts as [`Prior::Variance`]; the variance of each parameter is then fitted to its posterior (empirical Bayes), which maximises the evidence
    /// bound: the average of mean² + sigma² over its elements, in which the first variance counts as `strength` more elements. It never exceeds
    /// `growth` times the first one: where data can be fitted without error, weights grow without end, and a prior that follows them bounds nothing.
    Fitted {
        /// As of [`Prior::Variance`].
        weights: f64,
        /// As of [`Prior::Variance`].
        biases: f64,
        /// Elements that the first variance counts as.
        strength: f64,
        /// The largest variance over the first one.
        growth: f64,
        /// Steps between two fits.
        every: u32,
    },
}

impl fmt::Display for Prior {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Prior::WeightDecay => f.write_str("weight_decay"),
            Prior::Variance { weights, biases } => write!(f, "variance {weights} / fan-in on weights, {biases} on biases"),
            Prior::Fitted { weights, biases, strength, growth, every } => write!(
                f,
                "variance {weights} / fan-in on weights, {biases} on biases, fitted every {every} steps with a strength of {strength} elements, up to {growth} times"
            ),
        }
    }
}

impl Prior {
    pub(super) fn is_weight_decay(&self) -> bool {
        *self == Prior::WeightDecay
    }

    pub(super) fn check(&self, ess: f64) -> Result<()> {
        let (Prior::Variance { weights, biases } | Prior::Fitted { weights, biases, .. }) = *self else { return Ok(()) };
        for (key, variance) in [("the prior variance of weights", weights), ("the prior variance of biases", biases)] {
            // Kernels compute with delta in f32.
            let in_range = variance > 0.0 && variance.is_finite() && ((1.0 / (ess * variance)) as f32).is_normal();
            require(in_range, key, variance, "a positive number, with ess · variance within the range of f32")?;
        }
        if let Prior::Fitted { strength, growth, every, .. } = *self {
            require(strength > 0.0 && strength.is_finite(), "the strength of the prior", strength, "a positive number")?;
            require(growth > 0.0 && growth.is_finite(), "the growth of the prior variance", growth, "a positive number")?;
            require(every > 0, "the steps between two fits of the prior", every, "at least 1")?;
        }
        Ok(())
    }

    /// The variance that a parameter starts with; `None` for a prior that is a weight decay.
    fn variance(&self, parameter: &Parameter) -> Option<f64> {
        let (Prior::Variance { weights, biases } | Prior::Fitted { weights, biases, .. }) = *self else { return None };
        let matrix = parameter.shape().rank() >= 2;
        Some(if matrix { weights / fan_in(parameter.shape()) } else { biases })
    }

    /// Delta of each parameter of a layout at the start.
    pub(super) fn decays(&self, layout: &Layout, config: &IvonConfig) -> Vec<f64> {
        weight_decays(layout, |parameter| match self.variance(parameter) {
            Some(variance) => 1.0 / (config.ess * variance),
            None => on_matrices(config.weight_decay)(parameter),
        })
    }
}

/// A fit may lower h + delta to this part of itself at most: the next one goes on from there.
const SMALLEST: f64 = 0.1;

impl Ivon {
    /// Fits the prior to the posterior when it is due, and draws the sample of the next step again: its sigma has changed.
    pub(super) fn fit_prior(&mut self) -> Result<()> {
        let Prior::Fitted { strength, growth, every, .. } = self.config.prior else { return Ok(()) };
        if !self.driver.state.step().is_multiple_of(every) {
            return Ok(());
        }
        self.driver.state.fetch()?;
        let (state, ess) = (&self.driver.state, self.config.ess);
        let (mean, hessian) = (state.mean(), state.buffer("hessian"));
        let mut decays = state.decays().to_vec();
        for (entry, delta) in state.layout().entries().iter().zip(&mut decays) {
            let parameter = &entry.parameter;
            let Some(first) = self.config.prior.variance(parameter) else { continue };
            if parameter.frozen() || parameter.weight_decay().is_some() {
                continue;
            }
            let (mut sum, mut least) = (strength * first, f64::INFINITY);
            for i in entry.range() {
                let (m, precise) = (f64::from(mean[i]), f64::from(hessian[i]) + *delta);
                sum += m * m + 1.0 / (ess * precise);
                least = least.min(precise);
            }
            let fitted = (strength + entry.range().len() as f64) / (ess * sum);
            let fitted = fitted.max(1.0 / (ess * growth * first));
            // h may be negative down to -delta: a smaller delta keeps h + delta positive.
            *delta = fitted.max(*delta - (1.0 - SMALLEST) * least);
        }
        drop((mean, hessian));
        self.driver.state.decays = decays.into();
        self.set_gpu_up()?;
        self.driver.ready = false;
        let noise = self.noise(self.driver.state.step() + 1, 0);
        self.draw(Some(noise))?;
        self.driver.ready = true;
        Ok(())
    }
}
