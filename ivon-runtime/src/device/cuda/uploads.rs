//! Small uploads to the GPU, which every step needs: counters, the learning rate.
//!
//! They use page-locked memory. A copy from other memory may make the driver wait for all work of the GPU, and may read the
//! memory after the call has returned (NVIDIA, "API synchronization behavior"). A copy from page-locked memory is only enqueued.

use super::Cuda;
use super::error::Context as _;
use super::pinned::Pinned;
use crate::core::error::Result;
use cudarc::driver::{CudaEvent, result};

/// The largest size of one copy in bytes.
pub(super) const MOST: usize = 256;

/// Copies that can be in flight before the next one waits: more than a step makes before it waits for its loss.
const SLOTS: usize = 32;

/// Places for copies, used in turn.
pub(super) struct Uploads {
    pinned: Pinned,
    /// Recorded after the last copy from each place.
    copied: Vec<CudaEvent>,
    next: usize,
}

impl Uploads {
    pub fn new(cuda: &Cuda) -> Result<Uploads> {
        let event = |_| cuda.context.new_event(None).doing("make an event");
        let copied = (0..SLOTS).map(event).collect::<Result<_>>()?;
        Ok(Uploads { pinned: Pinned::new(&cuda.stream, SLOTS * MOST)?, copied, next: 0 })
    }

    /// Copies at most [`MOST`] bytes to `address`, in the order of the GPU's stream.
    ///
    /// # Safety
    /// This many bytes must lie at `address`.
    pub unsafe fn copy(&mut self, cuda: &Cuda, bytes: &[u8], address: u64) -> Result<()> {
        let (slot, stream) = (self.next, &cuda.stream);
        self.copied[slot].synchronize().doing("wait for a copy")?;
        let place = &mut self.pinned.bytes_mut()[slot * MOST..][..bytes.len()];
        place.copy_from_slice(bytes);
        // SAFETY: by the contract of this function; the place is written again only after its event.
        unsafe { result::memcpy_htod_async(address, place, stream.cu_stream()) }.doing("copy to the GPU")?;
        self.copied[slot].record(stream).doing("record an event")?;
        self.next = (slot + 1) % SLOTS;
        Ok(())
    }
}
