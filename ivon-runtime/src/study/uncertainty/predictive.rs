//! The predictive distribution of a batch of examples: class probabilities averaged over posterior samples.

use super::Predictions;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::posterior::LogAverage;
use crate::tensor::Tensor;
use rayon::prelude::*;

/// (1/n) Σ_k p_k of a batch, streamed over samples k, with the mean entropy of the p_k: the same memory for any number of samples.
///
/// The labels' probabilities are averaged in log space besides, so that a likelihood does not end where the smallest number does.
#[derive(Clone, Debug)]
pub struct Predictive {
    classes: usize,
    labels: Option<Vec<u32>>,
    samples: usize,
    /// Σ_k p_k, `[ROWS, CLASSES]`.
    sum: Vec<f64>,
    /// Σ_k H(p_k), `[ROWS]`.
    entropies: Vec<f64>,
    /// The likelihood of the labels, `[ROWS]`.
    likelihood: LogAverage,
}

/// The prediction of one sample for one row.
struct Row {
    entropy: f64,
    /// log p of the label; 0 where there is none.
    log_likelihood: f64,
}

const AT: &str = "Predictive";

impl Predictive {
    /// Starts without samples, for `rows` examples of this many classes without labels.
    pub fn new(rows: usize, classes: usize) -> Predictive {
        let (sum, entropies) = (vec![0.0; rows * classes], vec![0.0; rows]);
        Predictive { classes, labels: None, samples: 0, sum, entropies, likelihood: LogAverage::new() }
    }

    /// Starts without samples, for examples with these labels.
    ///
    /// # Errors
    /// If a label is not below the number of classes: which one.
    pub fn labelled(labels: &[u32], classes: usize) -> Result<Predictive> {
        if let Some(position) = labels.iter().position(|label| *label as usize >= classes) {
            return Err(Error::Id { at: AT.into(), id: labels[position], position, limit: classes });
        }
        Ok(Predictive { labels: Some(labels.to_vec()), ..Predictive::new(labels.len(), classes) })
    }

    /// Samples averaged so far.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Examples.
    pub fn rows(&self) -> usize {
        self.entropies.len()
    }

    /// Adds softmax(logits) of one sample; `[.., CLASSES]` of f32 or f64, as many rows as there are examples.
    ///
    /// # Errors
    /// If the shape is another one, or a row has no largest finite logit: which.
    pub fn add_logits(&mut self, logits: &Tensor) -> Result<()> {
        if logits.shape().rank() == 0 || logits.shape().last() != self.classes || logits.shape().elements() != self.sum.len() {
            let (rows, classes) = (self.rows(), self.classes);
            let message = format!("the logits are {}; {rows} rows of {classes} classes are expected", logits.shape());
            return Err(Error::shape(AT, message));
        }
        match logits.dtype() {
            DType::F32 => self.add_rows(logits.to_host()?.as_slice::<f32>(), softmax),
            DType::F64 | DType::Bf16 => self.add_rows(&logits.to_host()?.to_f64(), softmax),
            DType::U32 => Err(Error::shape(AT, "the logits are ids; floating point is expected")),
        }
    }

    /// Adds the probabilities of one sample, `[ROWS, CLASSES]`, row-major.
    ///
    /// # Errors
    /// If there are not so many, one is not between 0 and 1, or a row does not add up to 1 (within 1e-4): which.
    pub fn add_probabilities(&mut self, probabilities: &[f64]) -> Result<()> {
        if probabilities.len() != self.sum.len() {
            let message = format!("{} probabilities are not {} rows of {}", probabilities.len(), self.rows(), self.classes);
            return Err(Error::shape(AT, message));
        }
        self.add_rows(probabilities, copied)
    }

    /// Adds one sample; `row` adds a row's probabilities to the sums.
    fn add_rows<E: Sync>(
        &mut self,
        values: &[E],
        row: impl Fn(&[E], &mut [f64], Option<u32>) -> Option<Row> + Sync,
    ) -> Result<()> {
        let (classes, labels) = (self.classes.max(1), self.labels.as_deref());
        let rows = self.sum.par_chunks_mut(classes).zip(values.par_chunks(classes)).enumerate();
        let found: Vec<Option<Row>> = rows.map(|(i, (sum, values))| row(values, sum, labels.map(|l| l[i]))).collect();
        if let Some(i) = found.iter().position(Option::is_none) {
            let message = format!(
                "row {i} of sample {} gives no probabilities: one of its values is not a number, or infinite",
                self.samples
            );
            return Err(Error::value(AT, message));
        }
        for (total, row) in self.entropies.iter_mut().zip(found.iter().flatten()) {
            *total += row.entropy;
        }
        if labels.is_some() {
            let each: Vec<f64> = found.iter().flatten().map(|row| row.log_likelihood).collect();
            self.likelihood.add(each.into_iter())?;
        }
        self.samples += 1;
        Ok(())
    }

    /// The averaged probabilities, `[ROWS, CLASSES]`, row-major.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        let n = self.samples as f64;
        self.sum.iter().map(move |sum| sum / n)
    }

    /// Adds what is known of every example now to `to`. Nothing, before the first sample.
    pub fn record(&self, to: &mut Predictions) {
        if self.samples == 0 {
            return;
        }
        let (n, classes) = (self.samples as f64, self.classes.max(1));
        let rows = self.sum.par_chunks(classes).enumerate();
        let found: Vec<Summary> = rows.map(|(i, sums)| summary(sums, n, self.labels.as_deref().map(|l| l[i] as usize))).collect();
        for (found, entropies) in found.into_iter().zip(&self.entropies) {
            to.confidence.push(found.confidence);
            to.total.push(found.entropy);
            // E[H] ≤ H up to rounding, and of one sample they are equal: noise in the last bit would be taken for a ranking.
            let aleatoric = if self.samples == 1 { found.entropy } else { (entropies / n).min(found.entropy) };
            to.aleatoric.push(aleatoric);
            if let Some((right, brier)) = found.labelled {
                to.right.push(right);
                to.brier.push(brier);
            }
        }
        if self.labels.is_some() {
            to.log_likelihood.extend(self.likelihood.log_probabilities());
        }
    }
}

/// The summary of an example's averaged probabilities.
struct Summary {
    confidence: f64,
    entropy: f64,
    /// True if it is right, and its Brier score.
    labelled: Option<(bool, f64)>,
}

/// Summarises the probabilities `sums` / n.
fn summary(sums: &[f64], n: f64, label: Option<usize>) -> Summary {
    let (mut best, mut entropy, mut squares) = (0, 0.0, 0.0);
    for (class, sum) in sums.iter().enumerate() {
        let p = sum / n;
        squares += p * p;
        entropy -= if p > 0.0 { p * p.ln() } else { 0.0 };
        // The first of equal ones, as elsewhere.
        best = if *sum > sums[best] { class } else { best };
    }
    // Σ_c (p_c − [c = y])² = Σ_c p_c² − 2 p_y + 1
    let labelled = label.map(|label| (label == best, squares - 2.0 * sums[label] / n + 1.0));
    Summary { confidence: sums[best] / n, entropy, labelled }
}

/// Adds softmax(z) to `sum`; H = ln Σ e^z − Σ p z.
fn softmax<E: Copy + Into<f64>>(z: &[E], sum: &mut [f64], label: Option<u32>) -> Option<Row> {
    let high = z.iter().fold(f64::NEG_INFINITY, |m, z| m.max((*z).into()));
    let total: f64 = z.iter().map(|z| ((*z).into() - high).exp()).sum();
    if !high.is_finite() || !total.is_finite() {
        return None;
    }
    let lse = total.ln();
    let mut mean = 0.0;
    for (sum, z) in sum.iter_mut().zip(z) {
        let log_p = (*z).into() - high - lse;
        let p = log_p.exp();
        *sum += p;
        mean += if p > 0.0 { p * log_p } else { 0.0 };
    }
    let log_likelihood = label.map_or(0.0, |label| z[label as usize].into() - high - lse);
    Some(Row { entropy: -mean, log_likelihood })
}

fn copied(p: &[f64], sum: &mut [f64], label: Option<u32>) -> Option<Row> {
    if !p.iter().all(|p| (0.0..=1.0).contains(p)) || (p.iter().sum::<f64>() - 1.0).abs() > 1e-4 {
        return None;
    }
    sum.iter_mut().zip(p).for_each(|(sum, p)| *sum += p);
    let entropy = -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    Some(Row { entropy, log_likelihood: label.map_or(0.0, |label| p[label as usize].ln()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likelihoods_go_on_where_probabilities_underflow() {
        let mut predictive = Predictive::labelled(&[1], 2).unwrap();
        predictive.add_logits(&Tensor::from_slice(&[0f64, -2000.0], [1, 2]).unwrap()).unwrap();
        predictive.add_logits(&Tensor::from_slice(&[0f64, -2000.0], [1, 2]).unwrap()).unwrap();
        let mut found = Predictions::default();
        predictive.record(&mut found);
        assert_eq!(found.log_likelihood, [-2000.0]);
        assert_eq!((found.confidence[0], found.total[0], found.brier[0]), (1.0, 0.0, 2.0));
    }

    #[test]
    fn samples_that_are_sure_of_different_things_disagree_about_everything() {
        let mut predictive = Predictive::new(1, 2);
        predictive.add_probabilities(&[1.0, 0.0]).unwrap();
        predictive.add_probabilities(&[0.0, 1.0]).unwrap();
        let mut found = Predictions::default();
        predictive.record(&mut found);
        assert!((found.total[0] - 2f64.ln()).abs() < 1e-15 && found.aleatoric[0] == 0.0);
        assert_eq!(found.epistemic().collect::<Vec<_>>(), [found.total[0]]);
    }

    #[test]
    fn an_impossible_class_counts_nothing_and_a_row_without_numbers_is_named() {
        let logits = |values: &[f32]| Tensor::from_slice(values, [2, 2]).unwrap();
        let mut predictive = Predictive::new(2, 2);
        predictive.add_logits(&logits(&[0.0, f32::NEG_INFINITY, 1.0, 1.0])).unwrap();
        let mut found = Predictions::default();
        predictive.record(&mut found);
        assert_eq!((found.total[0], found.confidence[0]), (0.0, 1.0));
        for bad in [f32::NAN, f32::INFINITY] {
            let error = predictive.add_logits(&logits(&[0.0, 1.0, 0.0, bad])).unwrap_err().to_string();
            assert!(error.contains("row 1 of sample 1"), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = Predictive::labelled(&[0, 3], 3).unwrap_err().to_string();
        assert!(error.contains("id 3 at position 1"), "{error}");
        let mut predictive = Predictive::new(2, 3);
        let error = predictive.add_logits(&Tensor::from_slice(&[0f32; 6], [3, 2]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("[3, 2]") && error.contains("2 rows of 3 classes"), "{error}");
        assert!(predictive.add_probabilities(&[0.5, 0.2, 0.2, 0.2, 0.3, 0.5]).is_err());
        assert!(predictive.add_probabilities(&[1.5, -0.5, 0.0, 0.2, 0.3, 0.5]).is_err());
        assert!(predictive.add_probabilities(&[1.0, 0.0]).is_err());
    }
}
