//! Signs that a run goes wrong: from the losses of its steps, and now and then from the tensors of its state.

mod losses;

pub(crate) use losses::Losses;

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sign {
    /// The training loss is far above its start and stays there: what was learnt is lost.
    Diverged,
    /// The training loss stays above every loss of the first steps.
    LossAboveStart,
    /// The training loss has lost more than half of what it had gained.
    LossRising,
    /// The Hessian has not moved from its start.
    HessianFrozen,
    /// The Hessian has fallen far below its start, so that sigma and steps have grown.
    HessianCollapsed,
    /// The Hessian has grown far above its start, so that weights no longer move.
    HessianHuge,
    /// Sigma is larger than that of the prior: the Hessian is negative.
    SigmaAbovePrior,
    /// Sigma is larger than the weights that it is added to.
    SigmaAboveWeights,
    /// Steps are cut at their bound for long.
    StepsAtBound,
    /// The average over samples predicts worse than the mean.
    NoisySamples,
    /// A validation loss is not finite.
    NotFinite,
    /// No gradient has reached a parameter.
    Unused,
    /// Anything else that a user would want to know.
    Note,
}

/// A sign that a run goes wrong. `Display` writes the message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// The kind.
    pub sign: Sign,
    /// The parameter with the most extreme value, where the sign is one of tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The value that was found: a loss, h, sigma, or a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The finding in words, and the remedy.
    #[serde(rename = "warning")]
    pub message: String,
}

impl Warning {
    /// A warning without a tensor and a value.
    pub fn new(sign: Sign, message: impl Into<String>) -> Warning {
        Warning { sign, parameter: None, value: None, message: message.into() }
    }

    /// The same with the value that was found.
    pub fn of(self, value: f64) -> Warning {
        Warning { value: value.is_finite().then_some(value), ..self }
    }

    /// The same with the parameter that it was found in.
    pub fn in_parameter(self, name: impl Into<String>) -> Warning {
        Warning { parameter: Some(name.into()), ..self }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The memory of the signs between steps. A checkpoint keeps it, so that a resumed run gives the warnings that it would have given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub losses: Losses,
    /// Looks in a row that found most elements of a tensor at the bound of their step.
    pub at_bound: u32,
    /// Signs that were given: each is given once a run.
    told: Vec<Sign>,
}

impl Watch {
    /// The warnings whose signs were not given yet.
    pub fn fresh(&mut self, found: impl IntoIterator<Item = Warning>) -> Vec<Warning> {
        let fresh = |warning: &Warning| {
            let fresh = !self.told.contains(&warning.sign);
            if fresh {
                self.told.push(warning.sign);
            }
            fresh
        };
        found.into_iter().filter(fresh).collect()
    }
}
