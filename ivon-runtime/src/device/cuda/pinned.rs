//! Page-locked memory of the CPU, which a GPU copies from and to by itself.

use super::error::Context as _;
use crate::core::error::Result;
use cudarc::driver::{CudaStream, result};
use std::ptr::NonNull;
use std::sync::Arc;

/// So many bytes of page-locked memory, for the copies of one stream.
pub(crate) struct Pinned {
    pointer: NonNull<u8>,
    bytes: usize,
    stream: Arc<CudaStream>,
}

impl Pinned {
    pub fn new(stream: &Arc<CudaStream>, bytes: usize) -> Result<Pinned> {
        stream.context().bind_to_thread().doing("use the GPU from this thread")?;
        // SAFETY: at least one byte; 0 asks for nothing special, so that the CPU can read it fast, too.
        let pointer = unsafe { result::malloc_host(bytes.max(1), 0) }.doing(&format!("lock {bytes} bytes of memory"))?;
        let pointer = NonNull::new(pointer.cast()).unwrap_or(NonNull::dangling());
        // SAFETY: the driver gave so many bytes; all of them are written before anything reads them.
        unsafe { pointer.write_bytes(0, bytes) };
        Ok(Pinned { pointer, bytes, stream: stream.clone() })
    }

    /// The bytes. The caller has seen to it that the GPU does not write them now.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many initialised bytes; the only writers are `bytes_mut` and a copy that was waited for.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.bytes) }
    }

    /// Where they lie, for the GPU to write.
    pub fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// The bytes, to be written where the GPU does not read now, which the caller has seen to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is the only handle.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A copy may still be under way. Nothing can be done about a failure: the process is about to end, or the GPU is lost.
        let _ = self.stream.synchronize();
        // SAFETY: it was allocated by the driver and is freed once.
        let _ = unsafe { result::free_host(self.pointer.as_ptr().cast()) };
    }
}
