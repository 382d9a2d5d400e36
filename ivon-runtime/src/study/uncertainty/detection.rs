//! Detection of out-of-distribution examples by a score: area under the ROC curve, average precision, and false alarms at a given recall.

use crate::core::error::{Error, Result};
use serde::Serialize;

/// How well a score tells out-of-distribution examples (the positives, with high scores) from the others. Examples of equal score are decided together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Area under the ROC curve: the probability that a positive scores higher than a negative, ties counted half.
    pub auroc: f64,
    /// Area under the precision-recall curve as average precision, Σ_n (R_n − R_{n−1}) P_n.
    pub aupr: f64,
    /// Share of negatives above the highest threshold that lets at least 95 % of the positives through.
    pub fpr95: f64,
}

/// [`Detection`] by three scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detections {
    /// By the entropy of the averaged probabilities.
    pub entropy: Detection,
    /// By the mutual information of label and weights. Of a point it is 0 everywhere, which tells nothing apart.
    pub mutual_information: Detection,
    /// By the largest probability, low ones first.
    pub max_probability: Detection,
}

impl Detection {
    /// From the scores of both kinds.
    ///
    /// # Errors
    /// If there are none of one kind, or one is not a number.
    pub fn of(negatives: &[f64], positives: &[f64]) -> Result<Detection> {
        const AT: &str = "Detection::of";
        if negatives.is_empty() || positives.is_empty() {
            let message = format!(
                "{} examples in and {} out of distribution: the ROC curve needs both kinds",
                negatives.len(),
                positives.len()
            );
            return Err(Error::value(AT, message));
        }
        let of = |scores: &[f64], positive: bool| scores.iter().map(move |s| (*s, positive)).collect::<Vec<_>>();
        let mut all = [of(negatives, false), of(positives, true)].concat();
        if let Some((bad, _)) = all.iter().find(|(score, _)| score.is_nan()) {
            return Err(Error::value(AT, format!("a score is {bad}; numbers are expected")));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (n, p) = (negatives.len() as f64, positives.len() as f64);
        let (mut tp, mut fp) = (0.0, 0.0);
        let (mut area, mut precision, mut fpr95) = (0.0, 0.0, None);
        // One step of the curve for each threshold.
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            let new = group.iter().filter(|(_, positive)| *positive).count() as f64;
            let alarms = group.len() as f64 - new;
            area += alarms * (tp + 0.5 * new);
            (tp, fp) = (tp + new, fp + alarms);
            precision += new * tp / (tp + fp);
            if tp / p >= 0.95 {
                fpr95.get_or_insert(fp / n);
            }
        }
        Ok(Detection { auroc: area / (n * p), aupr: precision / p, fpr95: fpr95.unwrap_or(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_useless_and_reversed_scores() {
        let found = Detection::of(&[0.0, 0.1], &[0.2, 0.3, 0.4]).unwrap();
        assert_eq!(found, Detection { auroc: 1.0, aupr: 1.0, fpr95: 0.0 });
        let found = Detection::of(&[1.0, 1.0], &[1.0, 1.0]).unwrap();
        assert_eq!(found, Detection { auroc: 0.5, aupr: 0.5, fpr95: 1.0 });
        let found = Detection::of(&[1.0], &[0.0]).unwrap();
        assert_eq!(found, Detection { auroc: 0.0, aupr: 0.5, fpr95: 1.0 });
    }

    #[test]
    fn zeros_of_both_signs_are_equal() {
        assert_eq!(Detection::of(&[0.0], &[-0.0]).unwrap().auroc, 0.5);
    }

    #[test]
    fn one_kind_alone_has_no_curve() {
        let error = Detection::of(&[0.5; 3], &[]).unwrap_err().to_string();
        assert!(error.contains("3 examples in and 0 out of distribution") && error.contains("both kinds"), "{error}");
        assert!(Detection::of(&[f64::NAN], &[1.0]).is_err());
    }
}
