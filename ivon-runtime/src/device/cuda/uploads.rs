//! A few bytes for the GPU, as every step has some: counters, the learning rate.
//!
//! They go through page-locked memory. What is copied from other memory may make the driver wait for all that the GPU still has to do, and may also be read
//! after the call has returned (NVIDIA, "API synchronization behavior"). From page-locked memory a copy is asked for and nothing else.

use super::Cuda;
use super::error::Context as _;
use super::pinned::Pinned;
use crate::core::error::Result;
use cudarc::driver::{CudaEvent, result};

/// Bytes of one copy at most.
pub(super) const MOST: usize = 256;

/// Copies that can be under way before one is waited for: more than a step asks for before it waits for its loss.
const SLOTS: usize = 32;

/// Places that copies go through, in turn.
pub(super) struct Uploads {
    pinned: Pinned,
    /// The last copy from each place is over.
    copied: Vec<CudaEvent>,
    next: usize,
}

impl Uploads {
    pub fn new(cuda: &Cuda) -> Result<Uploads> {
        let event = |_| cuda.context.new_event(None).doing("make an event");
        let copied = (0..SLOTS).map(event).collect::<Result<_>>()?;
        Ok(Uploads { pinned: Pinned::new(&cuda.stream, SLOTS * MOST)?, copied, next: 0 })
    }

    /// Has so many bytes, [`MOST`] of them at most, copied to `address` in the order of the GPU's stream.
    ///
    /// # Safety
    /// There are so many bytes at `address`.
    pub unsafe fn copy(&mut self, cuda: &Cuda, bytes: &[u8], address: u64) -> Result<()> {
        let (slot, stream) = (self.next, &cuda.stream);
        self.copied[slot].synchronize().doing("wait for a copy")?;
        let place = &mut self.pinned.bytes_mut()[slot * MOST..][..bytes.len()];
        place.copy_from_slice(bytes);
        // SAFETY: by the contract of this function; the place is not written again before its event.
        unsafe { result::memcpy_htod_async(address, place, stream.cu_stream()) }.doing("copy to the GPU")?;
        self.copied[slot].record(stream).doing("record an event")?;
        self.next = (slot + 1) % SLOTS;
        Ok(())
    }
}
