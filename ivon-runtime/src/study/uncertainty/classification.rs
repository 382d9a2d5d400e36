//! Evaluation of a classifier at the mean and over growing numbers of posterior samples, in one pass over the examples.

use super::{Ensemble, Predictions, Predictive};
use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::tensor::Tensor;

/// The predictions of an ensemble for examples that come in batches: at the mean, and averaged over the first 1, 4, 16, ... samples.
#[derive(Clone, Debug)]
pub struct Classification {
    mean: Predictions,
    /// In rising order of samples.
    growing: Vec<(usize, Predictions)>,
    classes: Option<usize>,
}

impl Classification {
    /// Starts without examples, for these numbers of samples, each at least 1 and in rising order; none for the mean alone.
    ///
    /// # Errors
    /// If they are not.
    pub fn new(samples: &[usize]) -> Result<Classification> {
        if samples.first() == Some(&0) || !samples.is_sorted_by(|a, b| a < b) {
            let message = format!("numbers of samples {samples:?}: each is expected to be at least 1 and above the one before");
            return Err(Error::config(message));
        }
        let growing = samples.iter().map(|n| (*n, Predictions::default())).collect();
        Ok(Classification { mean: Predictions::default(), growing, classes: None })
    }

    /// Adds a batch. `logits` is called for every member at its mean and at each of its samples, with its context and number, and returns
    /// `[.., CLASSES]`. Samples count for each member: 64 samples of 3 members average 192 predictions. Points have the mean alone.
    ///
    /// # Errors
    /// Those of `logits`; if a label is none of the classes, or their number changes. Nothing is added then.
    pub fn add(
        &mut self,
        ensemble: &mut Ensemble,
        labels: Option<&[u32]>,
        mut logits: impl FnMut(&Context, usize) -> Result<Tensor>,
    ) -> Result<()> {
        let mut mean = None;
        let classes = &mut self.classes;
        ensemble.visit(None, |cx, member| start(&mut mean, classes, labels, &logits(cx, member)?))?;
        let mut recorded: Vec<Predictive> = vec![];
        if !ensemble.is_point() {
            let (mut average, mut done) = (None, 0);
            for (count, _) in &self.growing {
                for k in done..*count {
                    ensemble.visit(Some(k as u32), |cx, member| start(&mut average, classes, labels, &logits(cx, member)?))?;
                }
                done = *count;
                recorded.extend(average.clone());
            }
        }
        mean.iter().for_each(|found| found.record(&mut self.mean));
        self.growing.iter_mut().zip(&recorded).for_each(|((_, to), found)| found.record(to));
        Ok(())
    }

    /// At the mean of every member.
    pub fn mean(&self) -> &Predictions {
        &self.mean
    }

    /// The numbers of samples that were evaluated, rising: none for points.
    pub fn counts(&self) -> impl Iterator<Item = usize> + '_ {
        self.growing.iter().filter(|(_, found)| !found.is_empty()).map(|(count, _)| *count)
    }

    /// Over so many samples, or the largest number not above it that was evaluated; at the mean, where none was.
    pub fn samples(&self, count: usize) -> &Predictions {
        let found = self.growing.iter().rev().find(|(n, found)| *n <= count && !found.is_empty());
        found.map_or(&self.mean, |(_, found)| found)
    }

    /// Over the most samples; at the mean, where there were none.
    pub fn most(&self) -> &Predictions {
        self.samples(usize::MAX)
    }

    /// The number of classes; `None` before the first batch.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }
}

/// Adds logits to an average, which begins with the first of them.
fn start(average: &mut Option<Predictive>, classes: &mut Option<usize>, labels: Option<&[u32]>, logits: &Tensor) -> Result<()> {
    const AT: &str = "Classification::add";
    let found = if logits.shape().rank() == 0 { 0 } else { logits.shape().last() };
    match classes {
        _ if found == 0 => return Err(Error::shape(AT, format!("the logits are {}: they have no classes", logits.shape()))),
        Some(before) if *before != found => {
            return Err(Error::shape(AT, format!("the logits are of {found} classes, those before of {before}")));
        }
        _ => *classes = Some(found),
    }
    let rows = logits.shape().elements() / found;
    let fresh = || match labels {
        Some(labels) if labels.len() != rows => {
            Err(Error::shape(AT, format!("{} labels for {rows} rows of logits", labels.len())))
        }
        Some(labels) => Predictive::labelled(labels, found),
        None => Ok(Predictive::new(rows, found)),
    };
    let average = match average {
        Some(average) => average,
        None => average.insert(fresh()?),
    };
    average.add_logits(logits)
}
