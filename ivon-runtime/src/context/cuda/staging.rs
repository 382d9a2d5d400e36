//! Batches on their way to the GPU: two places for every input, filled in turn, so that the next batch is copied while the GPU works on
//! the one before.

use crate::core::error::Result;
use crate::device::cuda::Cuda;
use crate::device::cuda::error::Context as _;
use crate::device::cuda::pinned::Pinned;
use crate::memory::Block;
use crate::tensor::Tensor;
use cudarc::driver::{CudaEvent, result};
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// Bytes that a thread copies at once.
const PART: usize = 1 << 20;

/// The inputs of planned steps on a GPU.
#[derive(Default)]
pub(crate) struct Staging {
    inputs: RefCell<HashMap<(&'static str, usize, usize), Input>>,
}

/// One input of a step: two places.
struct Input {
    places: [Place; 2],
    next: usize,
}

struct Place {
    /// On the GPU.
    block: Rc<Block>,
    /// Where it is copied from.
    pinned: Pinned,
    /// The last copy from `pinned` is over.
    copied: CudaEvent,
    /// The last step that read `block` is over.
    used: CudaEvent,
}

impl Staging {
    /// Copies each input in the CPU's memory to the GPU and makes that copy its mirror: at one of two addresses, whatever the batch.
    /// The GPU's stream goes on once they are there.
    pub fn upload(&self, cuda: &Rc<Cuda>, name: &'static str, inputs: &[&Tensor]) -> Result<()> {
        let mut known = self.inputs.borrow_mut();
        for (i, tensor) in inputs.iter().enumerate() {
            let Some(bytes) = tensor.host_bytes() else { continue };
            let input = match known.entry((name, i, bytes.len())) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Input::new(cuda, bytes.len())?),
            };
            tensor.set_mirror(Some(input.upload(cuda, bytes)?));
        }
        Ok(())
    }

    /// The step that was asked for last is the last one to read what was uploaded for it.
    pub fn used(&self, cuda: &Cuda, name: &'static str, inputs: &[&Tensor]) -> Result<()> {
        let mut known = self.inputs.borrow_mut();
        for (i, tensor) in inputs.iter().enumerate() {
            let Some(input) = tensor.host_bytes().and_then(|bytes| known.get_mut(&(name, i, bytes.len()))) else { continue };
            input.places[input.next].used.record(&cuda.stream).doing("record an event")?;
            input.next = 1 - input.next;
            // Its address is about to be that of another batch.
            tensor.set_mirror(None);
        }
        Ok(())
    }
}

impl Input {
    fn new(cuda: &Rc<Cuda>, bytes: usize) -> Result<Input> {
        let place = || -> Result<Place> {
            let event = || cuda.context.new_event(None).doing("make an event");
            let block = Rc::new(Block::zeroed(Some(cuda), bytes)?);
            // The zeros are written by another stream than the copies.
            cuda.synchronize()?;
            Ok(Place { block, pinned: Pinned::new(&cuda.copies, bytes)?, copied: event()?, used: event()? })
        };
        Ok(Input { places: [place()?, place()?], next: 0 })
    }

    fn upload(&mut self, cuda: &Cuda, bytes: &[u8]) -> Result<Rc<Block>> {
        let Place { block, pinned, copied, used } = &mut self.places[self.next];
        copied.synchronize().doing("wait for a copy")?;
        // On all threads: a batch of photographs is 77 MB, for which one takes several milliseconds.
        pinned.bytes_mut().par_chunks_mut(PART).zip(bytes.par_chunks(PART)).for_each(|(to, from)| to.copy_from_slice(from));
        cuda.copies.wait(used).doing("wait for a step")?;
        let address = block.on_gpu().map_or(0, |(_, address)| address);
        if !bytes.is_empty() {
            cuda.bind()?;
            // SAFETY: both have so many bytes. `pinned` is not written before `copied`, the block not read before it.
            unsafe { result::memcpy_htod_async(address, pinned.bytes(), cuda.copies.cu_stream()) }.doing("copy to the GPU")?;
        }
        copied.record(&cuda.copies).doing("record an event")?;
        cuda.stream.wait(copied).doing("wait for a copy")?;
        Ok(block.clone())
    }
}
