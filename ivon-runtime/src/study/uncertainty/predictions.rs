//! The recorded predictions of examples, and the scores that follow from them.

use super::calibration::{self, Calibration};
use super::detection::{Detection, Detections};
use super::rejection::Rejection;
use crate::core::error::{Error, Result};
use serde::Serialize;

/// A few numbers for each example; every score is made of them. Entropies are in nats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// The largest probability.
    pub confidence: Vec<f64>,
    /// Entropy of the averaged probabilities: the total uncertainty.
    pub total: Vec<f64>,
    /// Mean entropy of the samples' own probabilities: what no more data could settle. The rest of the total is epistemic.
    pub aleatoric: Vec<f64>,
    /// True if the most probable class is the label; empty without labels, as the following.
    pub right: Vec<bool>,
    /// log p of the label.
    pub log_likelihood: Vec<f64>,
    /// Σ_c (p_c − [c = label])², 0 to 2.
    pub brier: Vec<f64>,
}

/// Scores of predictions with labels, as means over the examples. Entropies and NLL are in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// The number of examples.
    pub examples: usize,
    /// Share of examples whose most probable class is the label.
    pub accuracy: f64,
    /// Negative log-likelihood of the labels; infinite where one was held for impossible.
    pub nll: f64,
    /// Expected calibration error, Σ_b (n_b / n) · |accuracy_b − confidence_b| over 15 bins of equal width (Guo et al. 2017, eq. 3).
    pub ece: f64,
    /// The same over 15 bins of as many examples (Nixon et al. 2019).
    pub adaptive_ece: f64,
    /// Σ_c (p_c − [c = label])², 0 to 2 (Brier 1950).
    pub brier: f64,
    /// Entropy of the averaged probabilities.
    pub entropy: f64,
    /// Mean entropy of the samples' own probabilities.
    pub aleatoric: f64,
    /// Mutual information of label and weights: entropy less its aleatoric part.
    pub epistemic: f64,
}

impl Predictions {
    /// The number of examples.
    pub fn len(&self) -> usize {
        self.confidence.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.confidence.is_empty()
    }

    /// Epistemic uncertainty of each example: the mutual information of label and weights, total less aleatoric.
    pub fn epistemic(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.total.iter().zip(&self.aleatoric).map(|(total, aleatoric)| total - aleatoric)
    }

    /// The scores.
    ///
    /// # Errors
    /// If there is no example, or they have no labels.
    pub fn scores(&self) -> Result<Scores> {
        self.check_labelled("Predictions::scores")?;
        let n = self.len() as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
        Ok(Scores {
            examples: self.len(),
            accuracy: self.right.iter().filter(|right| **right).count() as f64 / n,
            nll: -mean(&self.log_likelihood),
            ece: calibration::equal_width(&self.confidence, &self.right).error(),
            adaptive_ece: calibration::equal_mass(&self.confidence, &self.right).error(),
            brier: mean(&self.brier),
            entropy: mean(&self.total),
            aleatoric: mean(&self.aleatoric),
            epistemic: self.epistemic().sum::<f64>() / n,
        })
    }

    /// Accuracy and confidence in 15 bins of equal width.
    ///
    /// # Errors
    /// As [`Predictions::scores`].
    pub fn calibration(&self) -> Result<Calibration> {
        self.check_labelled("Predictions::calibration")?;
        Ok(calibration::equal_width(&self.confidence, &self.right))
    }

    /// Accuracy and confidence in 15 bins of as many examples.
    ///
    /// # Errors
    /// As [`Predictions::scores`].
    pub fn adaptive_calibration(&self) -> Result<Calibration> {
        self.check_labelled("Predictions::adaptive_calibration")?;
        Ok(calibration::equal_mass(&self.confidence, &self.right))
    }

    /// Accuracy on the examples that are left when the ones with the highest entropy are refused.
    ///
    /// # Errors
    /// As [`Predictions::scores`].
    pub fn rejection(&self) -> Result<Rejection> {
        self.check_labelled("Predictions::rejection")?;
        Ok(Rejection::of(&self.total, &self.right))
    }

    /// How well `foreign` examples (out of distribution, the positive class) are told from these, by entropy, mutual information and maximum
    /// probability.
    ///
    /// # Errors
    /// If there are none of one kind.
    pub fn detection(&self, foreign: &Predictions) -> Result<Detections> {
        let unsure = |p: &Predictions| p.confidence.iter().map(|c| -c).collect::<Vec<_>>();
        let information = |p: &Predictions| p.epistemic().collect::<Vec<_>>();
        Ok(Detections {
            entropy: Detection::of(&self.total, &foreign.total)?,
            mutual_information: Detection::of(&information(self), &information(foreign))?,
            max_probability: Detection::of(&unsure(self), &unsure(foreign))?,
        })
    }

    fn check_labelled(&self, at: &str) -> Result<()> {
        match self.len() {
            0 => Err(Error::value(at, "there is no example: the mean of nothing is not a number")),
            n if self.right.len() != n => {
                Err(Error::value(at, format!("{} of {n} examples have labels; all are expected to", self.right.len())))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_examples_and_no_labels_are_errors() {
        let none = Predictions::default();
        assert!(none.scores().unwrap_err().to_string().contains("no example"));
        let unlabelled = Predictions { confidence: vec![0.5], total: vec![0.6], aleatoric: vec![0.5], ..Predictions::default() };
        assert!(unlabelled.scores().unwrap_err().to_string().contains("0 of 1 examples have labels"));
        assert!(unlabelled.rejection().is_err() && unlabelled.calibration().is_err());
        assert!(none.detection(&unlabelled).is_err() && unlabelled.detection(&unlabelled).is_ok());
    }
}
