//! A few bytes of the GPU that the CPU reads later, without making the GPU wait.

use super::Cuda;
use super::error::Context as _;
use super::pinned::Pinned;
use crate::core::error::Result;
use cudarc::driver::{CudaEvent, CudaStream, sys};
use std::cell::Cell;
use std::sync::Arc;

/// A copy in flight from the GPU to page-locked memory.
pub(crate) struct Watch {
    pinned: Pinned,
    there: CudaEvent,
    under_way: Cell<bool>,
    stream: Arc<CudaStream>,
}

impl Cuda {
    /// Creates a watch for at most `bytes` bytes.
    pub(crate) fn watch(&self, bytes: usize) -> Result<Watch> {
        let there = self.context.new_event(None).doing("make an event")?;
        Ok(Watch { pinned: Pinned::new(&self.stream, bytes)?, there, under_way: Cell::new(false), stream: self.stream.clone() })
    }
}

impl Watch {
    /// Starts copying bytes from `address`, after all work that was launched before.
    pub fn begin(&self, address: u64, bytes: usize) -> Result<()> {
        assert!(bytes <= self.pinned.bytes().len(), "a watch is for so many bytes");
        self.stream.context().bind_to_thread().doing("use the GPU from this thread")?;
        let to = self.pinned.pointer().cast();
        // SAFETY: the caller passes GPU memory of this size; the copy is read only after the event.
        let code = unsafe { sys::cuMemcpyDtoHAsync_v2(to, address, bytes, self.stream.cu_stream()) };
        code.result().doing("copy from the GPU")?;
        self.under_way.set(true);
        self.there.record(&self.stream).doing("record an event")
    }

    /// Waits for the copy and returns the bytes. `None` if no copy was started since the last call.
    pub fn wait(&self) -> Result<Option<&[u8]>> {
        if !self.under_way.replace(false) {
            return Ok(None);
        }
        self.there.synchronize().doing("wait for the GPU")?;
        Ok(Some(self.pinned.bytes()))
    }
}
