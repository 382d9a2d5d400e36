//! Moments in the order of what a GPU does, for measuring how long its kernels take.

use super::Cuda;
use super::error::Context as _;
use crate::core::error::Result;
use cudarc::driver::CudaEvent;
use cudarc::driver::sys::CUevent_flags;

/// When the GPU had done everything that was asked for before.
pub(crate) struct Moment(CudaEvent);

impl Cuda {
    /// This point of the order.
    pub(crate) fn moment(&self) -> Result<Moment> {
        let event = self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        event.map(Moment).doing("record an event")
    }
}

impl Moment {
    /// Seconds between two moments; waits for the later one.
    pub(crate) fn seconds_to(&self, later: &Moment) -> Result<f64> {
        let milliseconds = self.0.elapsed_ms(&later.0).doing("measure the time between events")?;
        Ok(milliseconds as f64 / 1e3)
    }
}
