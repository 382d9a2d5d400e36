//! Page-locked memory of the processor, which a card copies from and to by itself.

use super::Cuda;
use super::error::Context as _;
use crate::error::Result;
use cudarc::driver::{CudaContext, result};
use std::ptr::NonNull;
use std::sync::Arc;

/// So many bytes of page-locked memory.
pub(super) struct Pinned {
    pointer: NonNull<u8>,
    bytes: usize,
    context: Arc<CudaContext>,
}

impl Pinned {
    pub fn new(cuda: &Cuda, bytes: usize) -> Result<Pinned> {
        cuda.bind()?;
        // SAFETY: at least one byte; 0 asks for nothing special, so that the processor can read it fast, too.
        let pointer = unsafe { result::malloc_host(bytes.max(1), 0) }.doing(&format!("lock {bytes} bytes of memory"))?;
        let pointer = NonNull::new(pointer.cast()).unwrap_or(NonNull::dangling());
        // SAFETY: the driver gave so many bytes; all of them are written before anything reads them.
        unsafe { pointer.write_bytes(0, bytes) };
        Ok(Pinned { pointer, bytes, context: cuda.context.clone() })
    }

    /// The bytes. The caller has seen to it that the card does not write them now.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many initialised bytes; the only writers are `bytes_mut` and a copy that was waited for.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.bytes) }
    }

    /// Where they lie, for the card to write.
    pub fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// The bytes, to be written. The caller has seen to it that the card does not read them now.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is the only handle.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Nothing can be done about a failure: the process is about to end, or the card is lost.
        let _ = self.context.bind_to_thread();
        // SAFETY: it was allocated by the driver and is freed once.
        let _ = unsafe { result::free_host(self.pointer.as_ptr().cast()) };
    }
}
