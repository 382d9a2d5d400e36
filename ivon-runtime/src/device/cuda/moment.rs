//! Moments in the order of a GPU's work, to measure the time of its kernels.

use super::Cuda;
use super::error::Context as _;
use crate::core::error::Result;
use cudarc::driver::CudaEvent;
use cudarc::driver::sys::CUevent_flags;

/// The moment at which the GPU has finished all work launched before.
pub(crate) struct Moment(CudaEvent);

impl Cuda {
    /// Records the current moment of the stream.
    pub(crate) fn moment(&self) -> Result<Moment> {
        let event = self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        event.map(Moment).doing("record an event")
    }
}

impl Moment {
    /// Returns the seconds between two moments, after waiting for the later one.
    pub(crate) fn seconds_to(&self, later: &Moment) -> Result<f64> {
        let milliseconds = self.0.elapsed_ms(&later.0).doing("measure the time between events")?;
        Ok(milliseconds as f64 / 1e3)
    }
}
