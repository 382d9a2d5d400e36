//! The source of memory outside of planned runs. A block is reused when no tensor holds it.

use super::{Block, Handle};
use crate::core::error::Result;
use crate::device::cuda::Cuda;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Blocks by size.
pub(crate) struct Pool {
    cuda: Option<Rc<Cuda>>,
    blocks: RefCell<HashMap<usize, Vec<Rc<Block>>>>,
}

impl Pool {
    /// A pool on the GPU, if one is given, else in host memory.
    pub fn new(cuda: Option<Rc<Cuda>>) -> Pool {
        Pool { cuda, blocks: RefCell::default() }
    }

    /// Returns the only handle on a block of this many bytes. Its content is undefined.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn handle(&self, bytes: usize) -> Result<Handle> {
        let mut blocks = self.blocks.borrow_mut();
        let same = blocks.entry(bytes).or_default();
        if let Some(handle) = same.iter().filter(|block| !block.is_held()).find_map(Handle::new) {
            return Ok(handle);
        }
        let handle = Handle::of(Block::zeroed(self.cuda.as_ref(), bytes)?);
        same.push(handle.shared_block());
        Ok(handle)
    }

    /// Frees the blocks that no tensor holds.
    pub fn trim(&self) {
        self.blocks.borrow_mut().retain(|_, same| {
            same.retain(|block| block.is_held());
            !same.is_empty()
        });
    }
}
