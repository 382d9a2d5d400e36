//! Order between the two queues of a GPU: its work, and the copies of batches.

use super::Cuda;
use super::error::Context as _;
use super::pinned::Pinned;
use crate::core::error::Result;
use cudarc::driver::{CudaEvent, CudaStream, result};
use std::sync::Arc;

/// The end of everything that was launched on a queue when the event was recorded.
pub(crate) struct Event(CudaEvent);

/// A queue of a GPU.
#[derive(Clone, Copy)]
pub(crate) enum Queue {
    Work,
    Copies,
}

impl Cuda {
    fn queue(&self, queue: Queue) -> &Arc<CudaStream> {
        match queue {
            Queue::Work => &self.stream,
            Queue::Copies => &self.copies,
        }
    }

    /// Creates an event that has happened.
    pub(crate) fn event(&self) -> Result<Event> {
        self.context.new_event(None).map(Event).doing("make an event")
    }

    /// Records an event at the end of a queue.
    pub(crate) fn record(&self, queue: Queue, event: &Event) -> Result<()> {
        event.0.record(self.queue(queue)).doing("record an event")
    }

    /// Makes a queue wait for an event before its next work.
    pub(crate) fn wait(&self, queue: Queue, event: &Event) -> Result<()> {
        self.queue(queue).wait(&event.0).doing("wait for an event")
    }

    /// Allocates page-locked memory for copies to the GPU.
    pub(crate) fn pinned(&self, bytes: usize) -> Result<Pinned> {
        Pinned::new(&self.copies, bytes)
    }

    /// Starts a copy from page-locked memory, on the queue of copies.
    ///
    /// # Safety
    /// As many bytes must lie at `address`. They are not read, and `from` is not written, before the end of the copy.
    pub(crate) unsafe fn copy_later(&self, from: &Pinned, address: u64) -> Result<()> {
        if from.bytes().is_empty() {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: by the contract of this function.
        unsafe { result::memcpy_htod_async(address, from.bytes(), self.copies.cu_stream()) }.doing("copy to the GPU")
    }
}

impl Event {
    /// Waits on the CPU until the event has happened.
    pub fn synchronize(&self) -> Result<()> {
        self.0.synchronize().doing("wait for a copy")
    }
}
