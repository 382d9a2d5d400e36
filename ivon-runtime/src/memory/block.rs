//! A piece of memory that tensor handles share.

use super::Recorder;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::rc::Rc;

/// Alignment of every block and of every parameter in a flat buffer, in bytes.
pub(crate) const ALIGNMENT: usize = 256;

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
    pub fn heap(bytes: usize, keepers: usize) -> Block {
        // Never of size zero; fresh zero pages cost nothing until they are touched.
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).expect("a size that fits the address space");
        // SAFETY: the layout has a size of at least one byte.
        let pointer = unsafe { alloc_zeroed(layout) };
        let Some(pointer) = NonNull::new(pointer) else { handle_alloc_error(layout) };
        Block { pointer, bytes, keepers, home: Home::Heap(layout) }
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
