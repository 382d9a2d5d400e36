//! Chooses among the algorithms that a library proposes, by measuring them if the user requests it.
//!
//! A library's first proposal is an estimate, without a measurement. But measured times differ from run to run, another algorithm
//! may give other bits, and a repeated run must give the same bits. So the first proposal is used unless `IVON_TUNE` is `on`.
//! Then a few proposals are measured once per shape, and the fastest is stored beside the compiled kernels. All later runs on
//! such a GPU with the same libraries use it without measuring.

use super::{Cuda, Fill, Memory, cache};
use crate::core::error::Result;

/// The largest number of algorithms that are measured.
pub(super) const MOST: usize = 8;

/// The version of the requests to the libraries. Increase it when limits, masks or filters change, because a stored choice is an
/// index into the list that the library returned.
const ASKED: u32 = 1;

/// The number of measurements of each algorithm, alternating with the others. The shortest time counts.
const ROUNDS: usize = 4;
/// Calls between two readings of the clock.
const CALLS: usize = 5;

/// Another algorithm is chosen only if its time is a smaller fraction of the first one's than this.
const WORTH: f64 = 0.98;

impl Cuda {
    /// Turns measuring on or off.
    #[doc(hidden)]
    pub fn set_tuning(&self, on: bool) {
        self.tuning.set(on);
    }

    /// The number of algorithms to request from a library.
    pub(super) fn ways_wanted(&self) -> usize {
        if self.tuning.get() { MOST } else { 1 }
    }

    /// Returns the index of the algorithm to use for `what`, one of `count`: the first, unless a measurement finds a better one.
    /// `prepare` makes the operands of `run`.
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
                    // The first round loads code and wakes up the GPU.
                    if round > 0 {
                        *least = least.min(time);
                    }
                }
            }
            Ok(quickest(&times))
        });
        // If nothing can be measured, for example for lack of memory, the first algorithm is used.
        measured.ok().filter(|&way| way < count).unwrap_or(0)
    }

    /// Allocates memory for measurements, filled with numbers of about 0.01 in f32 and in bf16. Products of zeros need less
    /// power, and so less time, than other products.
    pub(super) fn scratch(&self, bytes: usize) -> Result<Memory> {
        let memory = self.allocate(bytes)?;
        // SAFETY: the memory has this many bytes.
        unsafe { self.fill(memory.address(), Fill::Half(0x3c3c), bytes / 2)? };
        Ok(memory)
    }

    fn time(&self, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
        let begin = self.moment()?;
        (0..CALLS).try_for_each(|_| run())?;
        begin.seconds_to(&self.moment()?)
    }
}

/// Returns the index of the fastest algorithm, if it is sufficiently faster than the first.
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
