//! Choosing among the ways that a library names to compute something, by measuring them where a person asks for it.
//!
//! A library's first proposal is a guess, made without looking at the clock. But what a clock says differs from run to run, another way may give other bits, and a run is to
//! give the same bits when it is repeated. So the guess is taken, unless `IVON_TUNE` is `on`: then the quickest of a few is measured once for a shape, and what was found is
//! kept beside the compiled kernels, for every later run on such a GPU with the same libraries. Nothing is measured there any more.

use super::{Cuda, Fill, Memory, cache};
use crate::core::error::Result;

/// The number of algorithms that are measured at most.
pub(super) const MOST: usize = 8;

/// What the libraries are asked for ways with: to be counted up whenever limits, masks or filters change, for a choice that was kept is a number in that list.
const ASKED: u32 = 1;

/// Each way is measured so often, in turn with the others, and the shortest time counts.
const ROUNDS: usize = 4;
/// Calls between two looks at the clock.
const CALLS: usize = 5;

/// The first way is kept unless another takes a smaller part of its time than this.
const WORTH: f64 = 0.98;

impl Cuda {
    /// Measures from now on, or not.
    #[doc(hidden)]
    pub fn set_tuning(&self, on: bool) {
        self.tuning.set(on);
    }

    /// The number of algorithms to ask a library for.
    pub(super) fn ways_wanted(&self) -> usize {
        if self.tuning.get() { MOST } else { 1 }
    }

    /// Which of `count` ways to compute `what` is to be taken: the first, unless measuring finds a better one. `prepare` makes what `run` computes with.
    pub(super) fn choose<P>(
        &self,
        what: &str,
        count: usize,
        prepare: impl FnOnce() -> Result<P>,
        mut run: impl FnMut(&P, usize) -> Result<()>,
    ) -> usize {
        if count < 2 || self.capturing.get() {
            return 0;
        }
        let (major, minor) = self.capability;
        let key = format!("{}, {major}.{minor}: the quickest of {count} ways ({ASKED}) of {what}", self.name);
        let measured = cache::choice(&key, || {
            let prepared = prepare()?;
            let mut times = vec![f64::INFINITY; count];
            for round in 0..=ROUNDS {
                for (way, least) in times.iter_mut().enumerate() {
                    let time = self.time(|| run(&prepared, way)).unwrap_or(f64::INFINITY);
                    // The first round loads code and wakes the GPU up.
                    if round > 0 {
                        *least = least.min(time);
                    }
                }
            }
            Ok(quickest(&times))
        });
        // What cannot be measured, for want of memory say, is not: the first will do.
        measured.ok().filter(|&way| way < count).unwrap_or(0)
    }

    /// Memory to measure with, full of numbers of about 0.01 in f32 as in bf16: products of zeros take less power, and so less time, than those of anything else.
    pub(super) fn scratch(&self, bytes: usize) -> Result<Memory> {
        let memory = self.allocate(bytes)?;
        // SAFETY: it has so many bytes.
        unsafe { self.fill(memory.address(), Fill::Half(0x3c3c), bytes / 2)? };
        Ok(memory)
    }

    fn time(&self, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
        let begin = self.moment()?;
        (0..CALLS).try_for_each(|_| run())?;
        begin.seconds_to(&self.moment()?)
    }
}

/// The way that took the least time, if that is worth a deviation from the first.
fn quickest(times: &[f64]) -> usize {
    let best = (0..times.len()).min_by(|&a, &b| times[a].total_cmp(&times[b])).unwrap_or(0);
    if times[best] < WORTH * times[0] { best } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::quickest;

    #[test]
    fn the_first_way_is_left_for_one_that_is_clearly_quicker() {
        assert_eq!(quickest(&[1.0, 0.99, 1.2]), 0);
        assert_eq!(quickest(&[1.0, 0.97, 0.9]), 2);
        assert_eq!(quickest(&[f64::INFINITY, 5.0, f64::INFINITY]), 1, "the first fails");
        assert_eq!(quickest(&[f64::INFINITY, f64::INFINITY]), 0, "all fail");
        assert_eq!(quickest(&[1.0, f64::NAN]), 0);
    }
}
