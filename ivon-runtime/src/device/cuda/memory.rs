//! Memory of a GPU, and copies to and from it. All operations run in the order of the GPU's stream.

use super::error::Context as _;
use super::uploads::{self, Uploads};
use super::{Cuda, Fill, notice};
use crate::core::error::{Error, Result};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DriverError, result, sys};
use std::sync::Arc;

/// Bytes of a GPU's memory that the driver may use after a step was planned: for the code of kernels, which is loaded at their
/// first launch, for graphs, and for gaps between allocations. On small GPUs a fraction of the memory is reserved instead.
const LATER: usize = 512 << 20;

/// A piece of a GPU's memory. The last owner frees it in the order of the stream.
pub(crate) enum Memory {
    /// Allocated and freed in the order of the stream.
    Ordered(CudaSlice<u8>),
    /// Allocated immediately, and freed after waiting for the stream.
    Plain(Plain),
}

impl Memory {
    pub fn address(&self) -> u64 {
        match self {
            Memory::Ordered(slice) => slice.device_ptr(slice.stream()).0,
            Memory::Plain(plain) => plain.address,
        }
    }
}

/// Memory on a GPU whose streams cannot allocate.
pub(crate) struct Plain {
    address: u64,
    stream: Arc<CudaStream>,
}

impl Plain {
    fn zeroed(stream: &Arc<CudaStream>, bytes: usize) -> Result<Plain, DriverError> {
        stream.context().bind_to_thread()?;
        // SAFETY: at least one byte is allocated, and it is freed once, below.
        let plain = Plain { address: unsafe { result::malloc_sync(bytes) }?, stream: stream.clone() };
        // SAFETY: this many bytes lie at the address.
        unsafe { result::memset_d8_async(plain.address, 0, bytes, stream.cu_stream()) }?;
        Ok(plain)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // Kernels may still use the memory. A failure cannot be handled here: the GPU is lost, and its memory with it.
        let _ = self.stream.context().bind_to_thread();
        let _ = self.stream.synchronize();
        // SAFETY: the memory was allocated by `malloc_sync` and is freed once.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

impl Cuda {
    /// Allocates zeroed memory, aligned to at least 256 bytes.
    ///
    /// # Errors
    /// If there is not enough memory: the number of bytes requested and of those free.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<Memory> {
        if self.capturing.get() {
            // The memory would belong to the graph, and nothing else could use it.
            return Err(Error::Device { message: "a step that asks for memory each time cannot be a graph".into() });
        }
        let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
        self.allocate_either_way(bytes.max(1)).map_err(|error| {
            let room = self.memory().map_or(String::new(), |(free, all)| {
                format!(" on {} with {:.1} of {:.1} GiB free", self.device(), gib(free), gib(all))
            });
            super::error::of(&format!("allocate {:.1} GiB{room}", gib(bytes)), error)
        })
    }

    /// Allocates in the order of the stream. If the first allocation shows that streams of this GPU cannot allocate, as on some
    /// virtual GPUs, allocates without the stream from then on.
    fn allocate_either_way(&self, bytes: usize) -> Result<Memory, DriverError> {
        let ordered = || self.stream.alloc_zeros::<u8>(bytes).map(Memory::Ordered);
        let plain = || Plain::zeroed(&self.stream, bytes).map(Memory::Plain);
        match self.ordered.get() {
            Some(true) => {
                // Freed memory returns to the driver when the stream has reached that point.
                ordered().or_else(|error| self.stream.synchronize().map_err(|_| error).and_then(|()| ordered()))
            }
            Some(false) => plain(),
            None => match ordered() {
                Ok(memory) => {
                    self.ordered.set(Some(true));
                    Ok(memory)
                }
                Err(error) => {
                    let memory = plain().map_err(|_| error)?;
                    self.ordered.set(Some(false));
                    let message = format!(
                        "streams of {} do not allocate memory ({:?}), so it is allocated and freed plainly, which waits for the GPU each time",
                        self.device(),
                        error.0
                    );
                    notice::once("stream-ordered allocation", &message);
                    Ok(memory)
                }
            },
        }
    }

    /// Checks that there is room for a step with this many bytes of activations, of which `now` are already allocated.
    ///
    /// # Errors
    /// If there is not enough room: the total, and the largest batch that fits. Activations grow with the `batch`.
    pub(crate) fn check_room(&self, name: &str, needed: usize, now: usize, batch: usize) -> Result<()> {
        let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
        // The libraries' memory must be allocated before the free memory is read.
        self.open_libraries()?;
        // Freed memory becomes available when the stream has reached that point.
        self.synchronize()?;
        let (free, all) = self.memory()?;
        let room = (free + now).saturating_sub(LATER.min(all / 16));
        if needed <= room {
            return Ok(());
        }
        let state = all.saturating_sub(room);
        let sum = format!(
            "needs {:.2} GiB: state and what else is in use {:.2}, activations {:.2}; the GPU has {:.2}",
            gib(state + needed),
            gib(state),
            gib(needed),
            gib(all)
        );
        // Not all of the memory grows with the batch; a sixteenth less is certain to fit.
        let fits = (batch as f64 * room as f64 / needed as f64 * 15.0 / 16.0) as usize;
        let advice = match fits {
            0 => "not even one example fits: take a smaller model, or another GPU".to_string(),
            _ => format!(
                "largest batch that fits: about {fits} (of {batch} asked for); take smaller batches, or more micro-batches"
            ),
        };
        Err(Error::Device { message: format!("{name} {sum}; {advice}") })
    }

    /// Copies to the GPU. The bytes are read before this returns. A large copy also waits until the GPU has finished all its
    /// work.
    ///
    /// # Safety
    /// This many bytes must lie at `address`, and no kernel may assume that they do not change.
    pub(crate) unsafe fn upload(&self, bytes: &[u8], address: u64) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.capturing.get() {
            // A graph would repeat the copy from memory that may no longer exist.
            return Err(Error::Device {
                message: "a tensor that a step makes anew each time cannot be a part of a graph".into(),
            });
        }
        self.bind()?;
        if bytes.len() <= uploads::MOST {
            let mut uploads = self.uploads.borrow_mut();
            let uploads = match &mut *uploads {
                Some(uploads) => uploads,
                none => none.insert(Uploads::new(self)?),
            };
            // SAFETY: by the contract of this function.
            return unsafe { uploads.copy(self, bytes, address) };
        }
        // SAFETY: by the contract of this function; the call waits below, before the borrow of `bytes` ends.
        unsafe { result::memcpy_htod_async(address, bytes, self.stream.cu_stream()) }.doing("copy to the GPU")?;
        self.synchronize()
    }

    /// Copies from the GPU, after all work that was launched before.
    ///
    /// # Safety
    /// This many bytes must lie at `address`.
    pub(crate) unsafe fn download(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: by the contract of this function; the call waits below, before the borrow of `bytes` ends.
        unsafe { result::memcpy_dtoh_async(bytes, address, self.stream.cu_stream()) }.doing("copy from the GPU")?;
        self.synchronize()
    }

    /// Copies within the GPU.
    ///
    /// # Safety
    /// This many bytes must lie at both addresses.
    pub(crate) unsafe fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: by the contract of this function.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream.cu_stream()) }.doing("copy on the GPU")
    }

    /// Writes the same two or four bytes `count` times.
    ///
    /// # Safety
    /// This many values must lie at `address`.
    pub(crate) unsafe fn fill(&self, address: u64, value: Fill, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.bind()?;
        let stream = self.stream.cu_stream();
        // SAFETY: by the contract of this function.
        let code = unsafe {
            match value {
                Fill::Half(bits) => sys::cuMemsetD16Async(address, bits, count, stream),
                Fill::Word(bits) => sys::cuMemsetD32Async(address, bits, count, stream),
            }
        };
        code.result().doing("fill memory of the GPU")
    }
}
