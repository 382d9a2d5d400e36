//! Weights of micro-batches whose losses are means over different numbers of targets, so that each target weighs as it does in
//! one batch.
//!
//! A loss that is a mean over n counted targets reports n ([`Context::counted`]). The gradient of a micro-batch is scaled by
//! `n / n_first`, where n_first is the count of the first micro-batch that counts a target. The sum of all gradients is scaled by
//! `parts · n_first / Σ n` ([`Context::correction`]). Both factors are exactly 1 if all counts are equal.
//!
//! If each micro-batch has its own posterior sample, the gradient of a micro-batch is that of its own mean. The optimizer then
//! applies both factors to its averages over samples.

use super::Context;
use crate::core::error::{Error, Result};

/// The numbers of targets that the losses of a batch's micro-batches counted.
#[derive(Default)]
pub(crate) struct Counts {
    /// The number of micro-batches of the batch; 0 outside of a batch.
    parts: usize,
    /// True if each micro-batch has its own posterior sample.
    sampled: bool,
    /// The counts of the losses of the first micro-batch that counts a target, in the order of their calls.
    first: Option<Vec<usize>>,
    /// The counts of the last micro-batch that began.
    now: Vec<usize>,
    /// The number of micro-batches that began, and Σ n / n_first over all of them but the last.
    begun: usize,
    total: f64,
}

impl Counts {
    /// Creates the counts of a batch of `parts` micro-batches, none of which has begun.
    pub fn new(parts: usize, sampled: bool) -> Counts {
        Counts { parts, sampled, ..Counts::default() }
    }

    /// The counts of the first loss, in the last and in the first micro-batch. They determine the weight.
    fn deciding(&self) -> Option<(usize, usize)> {
        let first = self.first.as_ref().unwrap_or(&self.now);
        Some((*self.now.first()?, *first.first()?))
    }

    /// n / n_first of the last micro-batch that began.
    fn weight(&self) -> f64 {
        self.deciding().map_or(1.0, |(now, first)| if now == 0 { 0.0 } else { now as f64 / first as f64 })
    }

    /// The factor for the gradient of the last micro-batch that began.
    fn scale(&self) -> f64 {
        let weight = self.weight();
        // With its own sample a micro-batch has the gradient of its own mean: factor 1, or 0 if no target counts.
        if self.sampled && weight > 0.0 { 1.0 } else { weight }
    }

    /// Returns an error if the losses of one pass ask for different weights.
    fn check(&self) -> Result<()> {
        let Counts { first, now, .. } = self;
        let first = first.as_ref().unwrap_or(now);
        let Some((n, n_first)) = self.deciding() else { return Ok(()) };
        // now / first is the same for all losses. If the first loss counts no target, no other loss may count one.
        let fits =
            |(now, first): (&usize, &usize)| *now as u128 * n_first as u128 == n as u128 * *first as u128 && (n > 0 || *now == 0);
        if now.len() == first.len() && now.iter().zip(first).all(fits) {
            return Ok(());
        }
        Err(Error::value(
            "micro-batches",
            format!(
                "the losses and means of a micro-batch count {now:?} targets or elements where those of another one count {first:?}: no weight of the \
                 micro-batch fits all of them. Take the whole batch at once (micro_batches = 1), or let all of them count the same targets. A mean of \
                 parameters alone counts only inside of a function that takes them as an argument: write it in a method of the model"
            ),
        ))
    }
}

impl Context {
    /// Reports that a loss is a mean over `n` targets. A loss calls it in each forward pass. In a batch of several micro-batches,
    /// each micro-batch is weighted by its n.
    ///
    /// # Errors
    /// If `n` is 0 and no other micro-batch can count a target: the mean of no losses is not a number.
    pub fn counted(&self, at: &str, n: usize) -> Result<()> {
        if self.counts_later() {
            return Ok(());
        }
        let mut counts = self.counts.borrow_mut();
        if counts.parts <= 1 {
            return if n == 0 {
                Err(Error::value(at, "no target counts: the mean of no losses is not a number"))
            } else {
                Ok(())
            };
        }
        counts.now.push(n);
        Ok(())
    }

    /// Like [`Context::counted`], for a mean of `n` elements, which may be none.
    pub(crate) fn averaged(&self, n: usize) {
        let mut counts = self.counts.borrow_mut();
        if counts.parts > 1 && !self.counts_later() {
            counts.now.push(n);
        }
    }

    /// True in a dry run that is followed by the real pass. On a GPU the dry run may be the only execution of a step's forward
    /// code.
    fn counts_later(&self) -> bool {
        self.planning() && self.cuda.is_none()
    }

    /// True if a batch is split into several micro-batches, so that one of them may count no target.
    pub fn in_micro_batches(&self) -> bool {
        self.counts.borrow().parts > 1
    }

    /// Begins a batch, or continues it. The default is no batch. Returns the batch that was set before.
    pub(crate) fn set_batch(&self, counts: Counts) -> Counts {
        self.counts.replace(counts)
    }

    /// Begins the next micro-batch.
    pub(crate) fn begin_micro_batch(&self) {
        let counts = &mut *self.counts.borrow_mut();
        if counts.begun > 0 {
            let weight = counts.weight();
            counts.total += weight;
            if weight > 0.0 && counts.first.is_none() {
                counts.first = Some(std::mem::take(&mut counts.now));
            }
        }
        counts.now.clear();
        counts.begun += 1;
    }

    /// The number of counts that the losses of the micro-batch have reported so far.
    pub(crate) fn losses(&self) -> usize {
        self.counts.borrow().now.len()
    }

    /// Removes all counts but the first `losses`, because the forward pass that reported the others runs again.
    pub(crate) fn recount(&self, losses: usize) {
        self.counts.borrow_mut().now.truncate(losses);
    }

    /// The factor for the gradient of the pass that has run.
    pub(crate) fn scale_of_pass(&self) -> f64 {
        self.counts.borrow().scale()
    }

    /// The weight of the micro-batch that has run, relative to the first one that counts a target.
    ///
    /// # Errors
    /// If the losses of the micro-batch count targets in other proportions than those of the first one.
    pub(crate) fn weight_of_pass(&self) -> Result<f64> {
        let counts = self.counts.borrow();
        counts.check()?;
        Ok(counts.weight())
    }

    /// The factor for the sum of the weighted gradients after the last forward pass; 1 before that.
    ///
    /// # Errors
    /// If no target counts in any micro-batch.
    pub(crate) fn correction(&self) -> Result<f64> {
        let counts = self.counts.borrow();
        if counts.begun < counts.parts {
            return Ok(1.0);
        }
        let total = counts.total + counts.weight();
        if total > 0.0 {
            return Ok(counts.parts as f64 / total);
        }
        Err(Error::value("micro-batches", "no target counts in any micro-batch: the mean of no losses is not a number"))
    }
}
