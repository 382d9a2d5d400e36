//! Uploads of batches to the GPU. Every input has two places, filled alternately, so that the next batch is copied while the GPU
//! works on the current one.

use crate::core::error::Result;
use crate::device::cuda::{Cuda, Event, Pinned, Queue};
use crate::memory::Block;
use crate::tensor::Tensor;
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

/// One input of a step, with two places.
struct Input {
    places: [Place; 2],
    next: usize,
}

struct Place {
    /// The place on the GPU.
    block: Rc<Block>,
    /// The page-locked memory that it is copied from.
    pinned: Pinned,
    /// Recorded after the last copy from `pinned`.
    copied: Event,
    /// Recorded after the last step that read `block`.
    used: Event,
}

impl Staging {
    /// Copies each input that lies in the CPU's memory to the GPU and makes the copy its mirror. The address is one of two, for
    /// every batch. The GPU's stream continues after the copies.
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

    /// Marks that the last requested step is the last one to read the inputs that were uploaded for it.
    pub fn used(&self, cuda: &Cuda, name: &'static str, inputs: &[&Tensor]) -> Result<()> {
        let mut known = self.inputs.borrow_mut();
        for (i, tensor) in inputs.iter().enumerate() {
            let Some(input) = tensor.host_bytes().and_then(|bytes| known.get_mut(&(name, i, bytes.len()))) else { continue };
            cuda.record(Queue::Work, &input.places[input.next].used)?;
            input.next = 1 - input.next;
            // The next batch will use this address.
            tensor.set_mirror(None);
        }
        Ok(())
    }
}

impl Input {
    fn new(cuda: &Rc<Cuda>, bytes: usize) -> Result<Input> {
        let place = || -> Result<Place> {
            let block = Rc::new(Block::zeroed(Some(cuda), bytes)?);
            // Another stream than that of the copies writes the zeros.
            cuda.synchronize()?;
            Ok(Place { block, pinned: cuda.pinned(bytes)?, copied: cuda.event()?, used: cuda.event()? })
        };
        Ok(Input { places: [place()?, place()?], next: 0 })
    }

    fn upload(&mut self, cuda: &Cuda, bytes: &[u8]) -> Result<Rc<Block>> {
        let Place { block, pinned, copied, used } = &mut self.places[self.next];
        copied.synchronize()?;
        // On all threads: a batch of photographs is 77 MB, which takes one thread several milliseconds.
        pinned.bytes_mut().par_chunks_mut(PART).zip(bytes.par_chunks(PART)).for_each(|(to, from)| to.copy_from_slice(from));
        cuda.wait(Queue::Copies, used)?;
        let address = block.on_gpu().map_or(0, |(_, address)| address);
        // SAFETY: both have the same number of bytes. `pinned` is not written before `copied`, and the block is not read before it.
        unsafe { cuda.copy_later(pinned, address)? };
        cuda.record(Queue::Copies, copied)?;
        cuda.wait(Queue::Work, copied)?;
        Ok(block.clone())
    }
}
