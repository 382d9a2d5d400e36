//! Micro-batches whose losses are means over different numbers of targets weigh as they do in one batch.
//!
//! A loss that is a mean over n counted targets says so ([`Context::counted`]). Of the micro-batches of a batch, the gradient of each is scaled by
//! n over the n of the first one that counts something, and the sum of all by `parts · n_first / Σ n` ([`Context::correction`]). Both are exactly 1 where
//! all counts are equal.
//!
//! Where each micro-batch has a posterior sample of its own, the gradient of a micro-batch is that of its own mean, and the optimizer applies both factors to
//! its averages over samples.

use super::Context;
use crate::core::error::{Error, Result};

/// The targets that the losses of the micro-batches of a batch counted.
#[derive(Default)]
pub(crate) struct Counts {
    /// Micro-batches of the batch; 0 outside of a batch.
    parts: usize,
    /// Each micro-batch has a posterior sample of its own.
    sampled: bool,
    /// The counts of the losses of the first micro-batch that counts something, in the order of their calls.
    first: Option<Vec<Count>>,
    /// Those of the last micro-batch that began.
    now: Vec<Count>,
    /// Micro-batches that began, and Σ n / n_first over them without the last one.
    begun: usize,
    total: f64,
}

/// The number of targets of a loss, or of elements of a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    n: usize,
    /// A mean, which may be one of parameters: with the same number in every micro-batch it asks for no weight.
    is_mean: bool,
}

impl Counts {
    /// A batch of so many micro-batches, none of which has begun.
    pub fn new(parts: usize, sampled: bool) -> Counts {
        Counts { parts, sampled, ..Counts::default() }
    }

    /// The counts of the loss that decides the weight, now and in the first micro-batch: the first loss, or else the first mean whose number differs.
    fn deciding(&self) -> Option<(usize, usize)> {
        let first = self.first.as_ref().unwrap_or(&self.now);
        let mut pairs = self.now.iter().zip(first);
        let differs = |(now, first): &(&Count, &Count)| now.n != first.n || now.n == 0;
        let deciding = pairs.clone().find(|(now, _)| !now.is_mean).or_else(|| pairs.find(differs))?;
        Some((deciding.0.n, deciding.1.n))
    }

    /// n / n_first of the last micro-batch that began.
    fn weight(&self) -> f64 {
        self.deciding().map_or(1.0, |(now, first)| if now == 0 { 0.0 } else { now as f64 / first as f64 })
    }

    /// The factor of the gradient of the last micro-batch that began.
    fn scale(&self) -> f64 {
        let weight = self.weight();
        // The gradient of its own mean; where nothing counts, 0.
        if self.sampled && weight > 0.0 { 1.0 } else { weight }
    }

    /// Refuses losses of one pass whose counts ask for different weights.
    fn check(&self) -> Result<()> {
        let Counts { first, now, .. } = self;
        let first = first.as_ref().unwrap_or(now);
        let Some((n, n_first)) = self.deciding() else { return Ok(()) };
        // now / first is the same for all, and no loss counts something where the deciding one counts nothing.
        let fits = |(now, first): (&Count, &Count)| {
            let same = now.n as u128 * n_first as u128 == n as u128 * first.n as u128 && (n > 0 || now.n == 0);
            same || now.is_mean && now.n == first.n
        };
        if now.len() == first.len() && now.iter().zip(first).all(fits) {
            return Ok(());
        }
        let numbers = |counts: &[Count]| counts.iter().map(|count| count.n).collect::<Vec<_>>();
        let (now, first) = (numbers(now), numbers(first));
        Err(Error::value(
            "micro-batches",
            format!(
                "the losses of a micro-batch count {now:?} targets where those of another one count {first:?}: no weight of the micro-batch fits all of \
                 them. Take the whole batch at once (micro_batches = 1), or let all losses of a model count the same targets"
            ),
        ))
    }
}

impl Context {
    /// Called by a loss that is a mean over `n` targets, for each forward pass. Where a batch is worked through in micro-batches, each weighs by its n.
    ///
    /// # Errors
    /// If nothing counts, unless other micro-batches of the batch may: the mean of no losses is not a number.
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
        counts.now.push(Count { n, is_mean: false });
        Ok(())
    }

    /// As [`Context::counted`], for a mean of `n` elements that is a number. It may be a penalty on parameters, so the same `n` in every micro-batch
    /// asks for no weight beside a loss that counts otherwise.
    pub(crate) fn averaged(&self, n: usize) {
        let mut counts = self.counts.borrow_mut();
        if counts.parts > 1 && !self.counts_later() {
            counts.now.push(Count { n, is_mean: true });
        }
    }

    /// True in a dry run whose pass is run afterwards. On a GPU the dry run of a step may be all that runs of its forward pass.
    fn counts_later(&self) -> bool {
        self.planning() && self.cuda.is_none()
    }

    /// True where a batch is worked through in several micro-batches, so that one of them may count no target.
    pub fn in_micro_batches(&self) -> bool {
        self.counts.borrow().parts > 1
    }

    /// Begins a batch, or goes on with it; the default is no batch. Returns the batch that the context was in.
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

    /// The number of losses of the micro-batch that have counted so far.
    pub(crate) fn losses(&self) -> usize {
        self.counts.borrow().now.len()
    }

    /// Forgets all but the first `losses`: the forward pass that counted the others runs again.
    pub(crate) fn recount(&self, losses: usize) {
        self.counts.borrow_mut().now.truncate(losses);
    }

    /// The factor of the gradient of the pass that has run.
    pub(crate) fn scale_of_pass(&self) -> f64 {
        self.counts.borrow().scale()
    }

    /// The weight of the micro-batch that has run, relative to the first one that counts something.
    ///
    /// # Errors
    /// If its losses count targets in different proportions than those of other micro-batches.
    pub(crate) fn weight_of_pass(&self) -> Result<f64> {
        let counts = self.counts.borrow();
        counts.check()?;
        Ok(counts.weight())
    }

    /// The factor of the sum of the weighted gradients, once the last forward pass has run; 1 before.
    ///
    /// # Errors
    /// If nothing counts.
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
