//! Outside a planned run, memory comes from here: blocks are handed out again once no tensor holds them.

use super::Block;
use crate::device::cuda::Cuda;
use crate::error::Result;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Blocks by size.
pub(crate) struct Pool {
    cuda: Option<Rc<Cuda>>,
    blocks: RefCell<HashMap<usize, Vec<Rc<Block>>>>,
}

impl Pool {
    /// A pool on the card, if one is given, else in the processor's memory.
    pub fn new(cuda: Option<Rc<Cuda>>) -> Pool {
        Pool { cuda, blocks: RefCell::default() }
    }

    /// A block of this many bytes; its content is what its last user left.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub fn block(&self, bytes: usize) -> Result<Rc<Block>> {
        let mut blocks = self.blocks.borrow_mut();
        let same = blocks.entry(bytes).or_default();
        if let Some(free) = same.iter().find(|b| Block::sharers(b) == 0) {
            return Ok(free.clone());
        }
        let fresh = Rc::new(Block::zeroed(self.cuda.as_ref(), bytes, 1)?);
        same.push(fresh.clone());
        Ok(fresh)
    }

    /// Gives back what no tensor holds.
    pub fn trim(&self) {
        self.blocks.borrow_mut().retain(|_, same| {
            same.retain(|b| Block::sharers(b) > 0);
            !same.is_empty()
        });
    }
}
