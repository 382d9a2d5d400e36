//! Page-locked memory of the CPU, which a GPU reads and writes directly.

use super::error::Context as _;
use crate::core::error::Result;
use cudarc::driver::{CudaStream, result};
use std::ptr::NonNull;
use std::sync::Arc;

/// A block of page-locked memory, for copies on one stream.
pub(crate) struct Pinned {
    pointer: NonNull<u8>,
    bytes: usize,
    stream: Arc<CudaStream>,
}

impl Pinned {
    pub fn new(stream: &Arc<CudaStream>, bytes: usize) -> Result<Pinned> {
        stream.context().bind_to_thread().doing("use the GPU from this thread")?;
        // SAFETY: at least one byte is allocated. Flags of 0 select the default, memory that the CPU reads fast.
        let pointer = unsafe { result::malloc_host(bytes.max(1), 0) }.doing(&format!("lock {bytes} bytes of memory"))?;
        let pointer = NonNull::new(pointer.cast()).unwrap_or(NonNull::dangling());
        // SAFETY: the driver allocated this many bytes; all of them are written before anything reads them.
        unsafe { pointer.write_bytes(0, bytes) };
        Ok(Pinned { pointer, bytes, stream: stream.clone() })
    }

    /// The bytes. The caller must ensure that the GPU does not write them meanwhile.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: these bytes are initialised; the only writers are `bytes_mut` and a copy for which the caller waited.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.bytes) }
    }

    /// The address, for copies from the GPU.
    pub fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// The bytes, to write. The caller must ensure that the GPU does not read them meanwhile.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is the only handle.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A copy may still be in progress. A failure cannot be handled here: the process is about to end, or the GPU is lost.
        let _ = self.stream.synchronize();
        // SAFETY: the driver allocated the memory, and it is freed once.
        let _ = unsafe { result::free_host(self.pointer.as_ptr().cast()) };
    }
}
