//! Hyper-parameters derived from a few facts of a run.

use super::{Ivon, IvonConfig, Prior};
use crate::core::error::Result;
use crate::optimizers::driver::{Settings, require};
use crate::tensor::parameter::Model;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The facts of a run from which [`Ivon::auto`] derives every hyper-parameter.
///
/// ```
/// use ivon_runtime::{layers::Linear, prelude::*};
///
/// let model = Linear::<8, 2>::new();
/// let plan = Plan::epochs(500, 50, 40);
/// let ivon = Ivon::auto(&model, plan, Settings::default())?;
/// let trainer = Trainer::new(plan.schedule());
/// // A value given beside the plan replaces that value alone.
/// let own = plan.config().ess(500.0);
/// # Ok::<(), ivon_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Training examples; of text, predicted tokens.
    pub examples: usize,
    /// Examples of an update.
    pub batch: usize,
    /// Updates of the run.
    pub steps: usize,
}

/// A derived value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    /// The key of the configuration or the schedule.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// The reason for it.
    pub reason: &'static str,
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}: {}", self.key, self.value, self.reason)
    }
}

impl Plan {
    /// A run over the data so many times.
    pub fn epochs(examples: usize, batch: usize, epochs: usize) -> Plan {
        let steps = examples.saturating_mul(epochs).div_ceil(batch.max(1));
        Plan { examples, batch, steps }
    }

    /// Refuses a plan of nothing.
    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [("examples", self.examples), ("batch", self.batch), ("steps", self.steps)] {
            require(value > 0, &format!("{key} of the plan"), value, "at least 1")?;
        }
        Ok(())
    }

    /// The hyper-parameters.
    pub fn config(&self) -> IvonConfig {
        let examples = self.examples.max(1) as f64;
        let (batch, steps) = ((self.batch.max(1) as f64).min(examples), self.steps.max(1) as f64);
        IvonConfig {
            hess_init: 1.0,
            beta2: 1.0 - (8.0 / steps).min(0.05).min(0.5 * (batch / examples).sqrt()),
            prior: Prior::Fitted { weights: 1.0, biases: 10.0, strength: 10.0, growth: 4.0, every: 100 },
            hessian_bound: Some(5.0),
            step_bound: Some(0.5),
            plan: Some(*self),
            ..IvonConfig::new(5.0 * examples + 100.0)
        }
    }

    /// Every value that the plan decides, with its reason; one that `config` replaces is named as given.
    pub fn derived(&self, config: &IvonConfig) -> Vec<Derived> {
        let own = self.config();
        let mut all = vec![];
        let mut derive = |key, value: String, reason, same: bool| {
            all.push(Derived { key, value, reason: if same { reason } else { "given beside the plan" } });
        };
        let number = |x: Option<f64>| x.map_or("none".into(), |x| format!("{x}"));
        derive("ess", format!("{}", config.ess), ESS, config.ess == own.ess);
        derive("hess_init", format!("{}", config.hess_init), HESS_INIT, config.hess_init == own.hess_init);
        derive("1 - beta2", format!("{:.3e}", 1.0 - config.beta2), BETA2, config.beta2 == own.beta2);
        derive("prior", config.prior.to_string(), PRIOR, config.prior == own.prior);
        derive("hessian_bound", number(config.hessian_bound), HESSIAN_BOUND, config.hessian_bound == own.hessian_bound);
        derive("step_bound", number(config.step_bound), STEP_BOUND, config.step_bound == own.step_bound);
        all
    }
}

const ESS: &str = "5 examples + 100: sharper than the posterior of the data, because a Gaussian of independent weights is wider than it in the \
                   directions that the data decide; 100 keep a handful of examples from drowning in noise";
const HESS_INIT: &str =
    "the prior and the data take its place within the run; from here the first steps are lr · gradient, as in SGD";
const BETA2: &str = "the Hessian is an average over an eighth of the run at most, over 20 steps and 2 sqrt(examples / batch) steps at least: h \
                     follows the weights and does not forget what rare gradients say";
const PRIOR: &str = "starts where layers keep the size of their inputs, 1 / fan-in on weights and 10 on biases, and is fitted to each tensor as \
                     the run goes on: no sigma exceeds it, and a tensor that data do not need shrinks";
const HESSIAN_BOUND: &str =
    "one gradient moves h by a few times itself at most, so that an outlier neither freezes a weight nor lets it go";
const STEP_BOUND: &str = "a gradient at a sample describes the loss only as far as samples reach";

impl Ivon {
    /// An optimizer whose hyper-parameters are derived from a plan; see [`Plan::derived`] for each value and its reason, and [`Plan::schedule`] for the
    /// learning rates. Inputs and targets of regression are expected at about mean 0 and standard deviation 1.
    ///
    /// # Errors
    /// If the plan has no example, batch or step; those of [`Ivon::new`].
    pub fn auto(model: &impl Model, plan: Plan, settings: Settings) -> Result<Ivon> {
        Ivon::new(model, plan.config(), settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_derived_from_the_plan_and_one_that_is_given_is_named() {
        let plan = Plan::epochs(500, 50, 40);
        assert_eq!(plan, Plan { examples: 500, batch: 50, steps: 400 });
        let config = plan.config();
        assert_eq!((config.ess, config.plan), (2600.0, Some(plan)));
        assert!((1.0 - config.beta2 - 0.02).abs() < 1e-12);
        let given = |config: &IvonConfig| {
            let derived = plan.derived(config);
            derived.iter().filter(|d| d.reason.contains("given")).map(|d| d.key).collect::<Vec<_>>()
        };
        assert_eq!(given(&config), Vec::<&str>::new());
        assert_eq!(given(&IvonConfig { ess: 500.0, ..config }), ["ess"]);
    }

    #[test]
    fn short_runs_and_large_batches_have_sensible_values() {
        let gain = |examples, batch, steps| 1.0 - Plan { examples, batch, steps }.config().beta2;
        assert!((gain(10, 50, 10) - 0.05).abs() < 1e-12);
        assert!((gain(1_000_000, 100, 100) - 0.005).abs() < 1e-12);
        assert!((gain(500, 50, 80_000) - 1e-4).abs() < 1e-12);
    }
}
