//! A piece of memory that tensor handles share.

use super::Recorder;
use crate::error::{Error, Result};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::rc::Rc;

/// Alignment of every block and of every parameter in a flat buffer, in bytes.
pub(crate) const ALIGNMENT: usize = 256;

/// No tensor is larger: so many bytes have addresses. Sums of sizes are safe from overflow below it, also in a dry run.
pub(crate) const MOST_BYTES: usize = 1 << 47;

/// Memory that is freed when the last handle on it goes.
pub(crate) struct Block {
    pointer: NonNull<u8>,
    bytes: usize,
    /// Handles that are held by a pool, a plan or a table rather than by a tensor.
    keepers: usize,
    home: Home,
}

enum Home {
    Heap(Layout),
    /// A part of another block, which it keeps alive.
    Part {
        _whole: Rc<Block>,
    },
    /// No memory at all: a dry run records when it is born and when it dies.
    Ghost {
        recorder: Rc<Recorder>,
        event: usize,
    },
}

impl Block {
    /// Zeroed memory from the heap.
    ///
    /// # Errors
    /// If there is not so much.
    pub fn heap(bytes: usize, keepers: usize) -> Result<Block> {
        let refused = || Block::too_large(bytes);
        // Never of size zero; fresh zero pages cost nothing until they are touched.
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).map_err(|_| refused())?;
        // SAFETY: the layout has a size of at least one byte.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Block { pointer, bytes, keepers, home: Home::Heap(layout) })
    }

    /// The error where there is not so much memory.
    pub fn too_large(bytes: usize) -> Error {
        let message = format!(
            "{:.1} GiB at once are more than this machine can give: take smaller batches (more micro-batches) or a smaller model",
            bytes as f64 / (1u64 << 30) as f64
        );
        Error::value("memory", message)
    }

    /// `bytes` of `whole`, from `offset`.
    pub fn part(whole: &Rc<Block>, offset: usize, bytes: usize, keepers: usize) -> Block {
        assert!(offset + bytes <= whole.bytes, "a part lies inside its block");
        // SAFETY: the assertion keeps the pointer inside the allocation of `whole`.
        let pointer = unsafe { whole.pointer.add(offset) };
        Block { pointer, bytes, keepers, home: Home::Part { _whole: whole.clone() } }
    }

    /// A block of a dry run: a size and a lifetime, no memory.
    pub fn ghost(bytes: usize, recorder: &Rc<Recorder>) -> Block {
        let event = recorder.born(bytes);
        Block { pointer: NonNull::dangling(), bytes, keepers: 0, home: Home::Ghost { recorder: recorder.clone(), event } }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_ghost(&self) -> bool {
        matches!(self.home, Home::Ghost { .. })
    }

    /// The start of the memory.
    ///
    /// # Panics
    /// In a dry run, where there is none: an op that reads or writes must return before, when `cx.planning()`.
    pub fn pointer(&self) -> *mut u8 {
        assert!(!self.is_ghost(), "an op touched memory in a dry run: it must return before when `cx.planning()`");
        self.pointer.as_ptr()
    }

    /// How many tensors share the block.
    pub fn sharers(this: &Rc<Block>) -> usize {
        Rc::strong_count(this) - this.keepers
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match &self.home {
            // SAFETY: the pointer was allocated with this very layout and is freed once.
            Home::Heap(layout) => unsafe { dealloc(self.pointer.as_ptr(), *layout) },
            Home::Ghost { recorder, event } => recorder.died(*event),
            Home::Part { .. } => {}
        }
    }
}
