//! Blocks of memory and their owners: the only file of the runtime that turns memory into slices.
//!
//! A block is *whole*, and owns memory, or a *part*: a range of bytes of a whole block. Parts may overlap; those of an arena do,
//! at different times. Pools, plans and flat buffers hold a block as an `Rc<Block>`, which keeps the memory alive without a
//! claim. Code that reads or writes holds a claim, and the block counts its claims:
//!
//! * a [`Handle`] is the claim of one tensor on a block, to read only or also to write;
//! * a [`Reading`] is the claim of a slice of all of a whole block, a [`Writing`] that of a mutable one.
//!
//! The counts are exact: only the constructors and destructors of these three types change them. A leaked claim is counted for
//! ever. The following rules make slices sound. Each is checked where the claim or the slice is made:
//!
//! 1. Handles on two different blocks never overlap. A handle is refused while a claimed block overlaps its own.
//! 2. A block on which a handle may write gives out no second handle. The handle itself may be cloned, which requires that it is
//!    not borrowed.
//! 3. A handle gives a mutable slice if it may write, is borrowed mutably, is the only one on its block, and no slice of the
//!    whole exists.
//! 4. A [`Reading`] is refused while a handle that may write exists, on the whole or on a part, or while a [`Writing`] exists.
//! 5. A [`Writing`] is refused while any other claim on the whole or on a part exists. While a [`Writing`] exists, every other
//!    claim is refused.
//!
//! So a mutable slice of a handle overlaps no other block (rule 1), no other handle on the same block (rules 2 and 3), and no
//! older or younger slice of the whole (rules 3 and 4). A mutable slice of a whole overlaps nothing (rule 5).

use super::{Ghost, Recorder};
use crate::core::dtype::Element;
use crate::core::error::{Error, Result};
use crate::device::cuda::{self, Cuda};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;

/// The alignment of every whole block in bytes, and of every parameter in a flat buffer of f32. A parameter in a flat buffer of
/// bf16 has half of this alignment.
pub(crate) const ALIGNMENT: usize = 256;

/// The largest size of a tensor in bytes: the number of bytes that have addresses. Sums of smaller sizes do not overflow, even in
/// a dry run.
pub(crate) const MOST_BYTES: usize = 1 << 47;

/// The value of [`Block::slices`] while a mutable slice of the whole exists.
const WRITER: usize = usize::MAX;

/// Memory that is freed with its last owner.
pub(crate) struct Block {
    place: Place,
    bytes: usize,
    home: Home,
    /// A copy of host memory on the GPU, while a kernel may read it: see `Tensor::address`.
    mirror: RefCell<Option<Rc<Block>>>,
    /// Set by [`Block::lasting`].
    lasting: bool,
    /// Handles on this block.
    handles: Holders,
    /// Handles on parts of this block.
    inside: Holders,
    /// Ranges of the parts with a handle, in order and disjoint.
    claimed: RefCell<Vec<(usize, usize)>>,
    /// The number of slices of this whole block that are being read, or [`WRITER`] while one is being written.
    slices: Cell<usize>,
}

/// Numbers of handles.
#[derive(Default)]
struct Holders {
    all: Cell<usize>,
    /// The handles that may write.
    able: Cell<usize>,
}

impl Holders {
    fn add(&self, able: bool) {
        self.all.set(self.all.get() + 1);
        self.able.set(self.able.get() + usize::from(able));
    }

    fn remove(&self, able: bool) {
        self.all.set(self.all.get() - 1);
        self.able.set(self.able.get() - usize::from(able));
    }
}

/// The address of a block.
#[derive(Clone)]
enum Place {
    Host(NonNull<u8>),
    Gpu { cuda: Rc<Cuda>, address: u64 },
}

/// The owner of a block's memory.
enum Home {
    Heap(Layout),
    Gpu {
        _memory: cuda::Memory,
    },
    /// A part of another block, which this block keeps alive.
    Part {
        whole: Rc<Block>,
        offset: usize,
    },
    /// A block of a dry run, which has no memory.
    Ghost(Ghost),
}

impl Block {
    fn new(place: Place, bytes: usize, home: Home) -> Block {
        Block {
            place,
            bytes,
            home,
            mirror: RefCell::default(),
            lasting: false,
            handles: Holders::default(),
            inside: Holders::default(),
            claimed: RefCell::default(),
            slices: Cell::new(0),
        }
    }

    /// Allocates zeroed memory on the GPU, if one is given, otherwise from the heap.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn zeroed(cuda: Option<&Rc<Cuda>>, bytes: usize) -> Result<Block> {
        let Some(cuda) = cuda else { return Block::heap(bytes) };
        let memory = cuda.allocate(bytes)?;
        let place = Place::Gpu { cuda: cuda.clone(), address: memory.address() };
        Ok(Block::new(place, bytes, Home::Gpu { _memory: memory }))
    }

    /// Allocates zeroed memory from the heap.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn heap(bytes: usize) -> Result<Block> {
        super::room::check(bytes)?;
        let refused = || Block::too_large(bytes);
        // A layout must not have size zero. Fresh zero pages cost nothing until they are touched.
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).map_err(|_| refused())?;
        // SAFETY: the layout has a size of at least one byte.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Block::new(Place::Host(pointer), bytes, Home::Heap(layout)))
    }

    /// The error for too little memory.
    pub fn too_large(bytes: usize) -> Error {
        let message = format!(
            "{:.1} GiB at once are more than this machine can give: take smaller batches (more micro-batches) or a smaller model",
            bytes as f64 / (1u64 << 30) as f64
        );
        Error::value("memory", message)
    }

    /// A part of `whole`: `bytes` bytes from `offset` on.
    ///
    /// # Panics
    /// If they do not lie inside of `whole`, or `whole` is itself a part.
    pub fn part(whole: &Rc<Block>, offset: usize, bytes: usize) -> Block {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= whole.bytes), "a part lies inside its block");
        assert!(matches!(whole.home, Home::Heap(_) | Home::Gpu { .. }), "a part is one of a whole block");
        let place = match &whole.place {
            // SAFETY: by the assertions, `offset` is at most the size of the allocation that begins at the pointer.
            Place::Host(pointer) => Place::Host(unsafe { pointer.add(offset) }),
            Place::Gpu { cuda, address } => Place::Gpu { cuda: cuda.clone(), address: address + offset as u64 },
        };
        Block::new(place, bytes, Home::Part { whole: whole.clone(), offset })
    }

    /// Marks the block as a part of a buffer that outlives passes: values that are written through a tensor must reach the
    /// buffer.
    pub fn lasting(mut self) -> Block {
        self.lasting = true;
        self
    }

    /// A block of a dry run, with a size and a lifetime but no memory. The caller's place in the code is recorded, which is that
    /// of the allocating op.
    #[track_caller]
    pub fn ghost(bytes: usize, recorder: &Rc<Recorder>) -> Block {
        let ghost = Ghost::born(bytes, recorder, Location::caller());
        Block::new(Place::Host(NonNull::dangling()), bytes, Home::Ghost(ghost))
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_ghost(&self) -> bool {
        self.as_ghost().is_some()
    }

    /// The block as one of a dry run, if it is one.
    pub fn as_ghost(&self) -> Option<&Ghost> {
        match &self.home {
            Home::Ghost(ghost) => Some(ghost),
            _ => None,
        }
    }

    /// The start of the memory: valid for [`Block::bytes`] initialised bytes as long as the block exists.
    ///
    /// # Panics
    /// In a dry run, where there is no memory: an op must return before it reads or writes, if `cx.planning()` is true. If the
    /// block lies on a GPU, where the CPU cannot access it: the op has no kernel for the GPU, or does not call it.
    #[track_caller]
    fn pointer(&self) -> *mut u8 {
        assert!(!self.is_ghost(), "an op touched memory in a dry run: it must return before when `cx.planning()`");
        match &self.place {
            Place::Host(pointer) => pointer.as_ptr(),
            Place::Gpu { cuda, .. } => panic!(
                "an op took a tensor on {} for one in the CPU's memory: it has no kernel for a GPU, see docs/op.md",
                cuda.device()
            ),
        }
    }

    /// The GPU on which the block lies, and its address there.
    pub fn on_gpu(&self) -> Option<(&Rc<Cuda>, u64)> {
        match &self.place {
            Place::Host(_) => None,
            Place::Gpu { cuda, address } => Some((cuda, *address)),
        }
    }

    /// A number that identifies the place of the block. It is the same in every dry run of a step that does the same: an address
    /// on the GPU, or, for a block of a dry run, its number counted from 1. 0 for memory of the CPU that has no copy on the GPU
    /// yet.
    pub fn place(&self) -> u64 {
        match (&self.home, &self.place) {
            (Home::Ghost(ghost), _) => ghost.number() + 1,
            (_, Place::Gpu { address, .. }) => *address,
            _ => self.mirror.borrow().as_ref().map_or(0, |mirror| mirror.place()),
        }
    }

    /// Returns the copy of host memory on this GPU. `make` makes it if there is none yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn mirrored(&self, cuda: &Rc<Cuda>, make: impl FnOnce() -> Result<Rc<Block>>) -> Result<Rc<Block>> {
        let is_there = |mirror: &&Rc<Block>| mirror.on_gpu().is_some_and(|(other, _)| Rc::ptr_eq(other, cuda));
        if let Some(mirror) = self.mirror.borrow().as_ref().filter(is_there) {
            return Ok(mirror.clone());
        }
        let mirror = make()?;
        *self.mirror.borrow_mut() = Some(mirror.clone());
        Ok(mirror)
    }

    /// Sets or removes the copy on the GPU.
    pub fn set_mirror(&self, mirror: Option<Rc<Block>>) {
        *self.mirror.borrow_mut() = mirror;
    }

    // ---- claims ------------------------------------------------------------------------------------------------

    /// The block itself, or the block of which it is a part.
    fn whole(&self) -> &Block {
        match &self.home {
            Home::Part { whole, .. } => whole,
            _ => self,
        }
    }

    /// True while a tensor on the block or on a part of it exists.
    pub fn is_held(&self) -> bool {
        self.handles.all.get() + self.inside.all.get() > 0
    }

    /// True while a slice of the whole block exists.
    pub fn is_sliced(&self) -> bool {
        self.whole().slices.get() > 0
    }

    /// True while a mutable slice of the whole block exists.
    pub fn is_written(&self) -> bool {
        self.whole().slices.get() == WRITER
    }

    /// Claims the memory for the first handle on the block. Returns false while a claimed block overlaps it.
    fn claim(&self) -> bool {
        match &self.home {
            Home::Part { whole, offset } => whole.handles.all.get() == 0 && whole.claim_range(*offset..offset + self.bytes),
            _ => self.inside.all.get() == 0,
        }
    }

    fn claim_range(&self, range: Range<usize>) -> bool {
        if range.is_empty() {
            return true;
        }
        let mut claimed = self.claimed.borrow_mut();
        let at = claimed.partition_point(|(_, end)| *end <= range.start);
        let free = claimed.get(at).is_none_or(|(start, _)| range.end <= *start);
        if free {
            claimed.insert(at, (range.start, range.end));
        }
        free
    }

    /// Releases the memory when the last handle on the block is dropped.
    fn release(&self) {
        if let Home::Part { whole, offset } = &self.home {
            let mut claimed = whole.claimed.borrow_mut();
            if let Ok(at) = claimed.binary_search(&(*offset, offset + self.bytes)) {
                claimed.remove(at);
            }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match (&self.home, &self.place) {
            // SAFETY: `heap` allocated the pointer with this layout. No claim and no part exists, because each holds an `Rc` of
            // the block.
            (Home::Heap(layout), Place::Host(pointer)) => unsafe { dealloc(pointer.as_ptr(), *layout) },
            (Home::Ghost(ghost), _) => ghost.dies(),
            _ => {}
        }
    }
}

/// The claim of one tensor on a block. Cloning makes another claim. The memory lives as long as any claim.
pub(crate) struct Handle {
    block: Rc<Block>,
    /// True if the handle may write when it is the only one.
    able: bool,
}

impl Handle {
    /// Creates the only handle on a fresh whole block.
    pub fn of(block: Block) -> Handle {
        assert!(!matches!(block.home, Home::Part { .. }), "a handle on a part is claimed from its whole");
        block.handles.add(true);
        Handle { block: Rc::new(block), able: true }
    }

    /// Creates a handle that may write. Returns `None` if another handle on the block may write, if a handle on another block
    /// overlaps it, or while a mutable slice of the whole exists.
    pub fn new(block: &Rc<Block>) -> Option<Handle> {
        Handle::claim(block, true)
    }

    /// Creates a handle that can only read, and so can its clones. Returns `None` if [`Handle::new`] would.
    pub fn lent(block: &Rc<Block>) -> Option<Handle> {
        Handle::claim(block, false)
    }

    fn claim(block: &Rc<Block>, able: bool) -> Option<Handle> {
        let free = !block.is_written() && block.handles.able.get() == 0 && (block.handles.all.get() > 0 || block.claim());
        free.then(|| Handle::counted(block.clone(), able))
    }

    fn counted(block: Rc<Block>, able: bool) -> Handle {
        block.handles.add(able);
        if let Home::Part { whole, .. } = &block.home {
            whole.inside.add(able);
        }
        Handle { block, able }
    }

    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The block without a claim, for an owner that gives it out again later.
    pub fn shared_block(&self) -> Rc<Block> {
        self.block.clone()
    }

    /// True if the memory may be written through this handle: it may write, is the only one, and no slice of the whole exists.
    pub fn is_unique(&self) -> bool {
        self.able && self.block.handles.all.get() == 1 && !self.block.is_sliced()
    }

    /// True for a handle that may write to a part of a buffer that outlives passes.
    pub fn is_place(&self) -> bool {
        self.able && self.block.lasting
    }

    /// The first `count` elements.
    ///
    /// # Panics
    /// If they do not lie in the block, in a dry run, or on a GPU.
    #[track_caller]
    pub fn elements<E: Element>(&self, count: usize) -> &[E] {
        let pointer = checked(&self.block, count);
        // SAFETY: `checked` ensured that `count` aligned values of E lie in the block, whose bytes are initialised. Every bit
        // pattern is a value of E. While `self` is borrowed nothing writes there: not this handle, no other handle on the block
        // by rules 2 and 3, no overlapping handle by rule 1, and no slice of the whole by rule 5.
        unsafe { std::slice::from_raw_parts(pointer, count) }
    }

    /// The first `count` elements, to write. `None` unless [`Handle::is_unique`].
    ///
    /// # Panics
    /// As [`Handle::elements`].
    #[track_caller]
    pub fn elements_mut<E: Element>(&mut self, count: usize) -> Option<&mut [E]> {
        let pointer = checked(&self.block, count);
        if !self.is_unique() {
            return None;
        }
        self.block.set_mirror(None); // the copy would keep the old content
        // SAFETY: as in `elements`. While `self` is borrowed mutably nothing else reads or writes there. This is the only handle
        // on the block and stays the only one, because by rule 2 it can neither be cloned nor joined by another. No overlapping
        // handle exists by rule 1. No slice of the whole exists, and none can be made by rules 4 and 5.
        Some(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
    }

    /// All bytes, if they lie in host memory.
    pub fn host_bytes(&self) -> Option<&[u8]> {
        if self.block.is_ghost() || self.block.on_gpu().is_some() {
            return None;
        }
        // SAFETY: this many initialised bytes begin at the pointer, and they are not written meanwhile, as in `elements`.
        Some(unsafe { std::slice::from_raw_parts(self.block.pointer(), self.block.bytes) })
    }

    /// All bytes, to write, if they lie in host memory. `None` unless [`Handle::is_unique`].
    pub fn host_bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.block.is_ghost() || self.block.on_gpu().is_some() || !self.is_unique() {
            return None;
        }
        self.block.set_mirror(None);
        // SAFETY: this many initialised bytes begin at the pointer, and nothing else reads or writes them meanwhile, as in
        // `elements_mut`.
        Some(unsafe { std::slice::from_raw_parts_mut(self.block.pointer(), self.block.bytes) })
    }
}

/// Checks that `count` elements fit in the block and returns its start.
#[track_caller]
fn checked<E: Element>(block: &Block, count: usize) -> *mut E {
    let pointer: *mut E = block.pointer().cast();
    let fits = count.checked_mul(size_of::<E>()).is_some_and(|bytes| bytes <= block.bytes);
    assert!(fits && pointer.is_aligned(), "{count} elements lie aligned inside a block of {} bytes", block.bytes);
    pointer
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        Handle::counted(self.block.clone(), self.able)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.block.handles.remove(self.able);
        if let Home::Part { whole, .. } = &self.block.home {
            whole.inside.remove(self.able);
        }
        if self.block.handles.all.get() == 0 {
            self.block.release();
        }
    }
}

/// The claim of a slice of all of a whole block.
pub(crate) struct Reading(Rc<Block>);

impl Reading {
    /// Returns `None` while a handle may write to the block or to a part of it, or a mutable slice exists.
    pub fn new(whole: &Rc<Block>) -> Option<Reading> {
        let able = whole.handles.able.get() + whole.inside.able.get();
        let free = matches!(whole.home, Home::Heap(_) | Home::Gpu { .. }) && able == 0 && !whole.is_written();
        free.then(|| {
            whole.slices.set(whole.slices.get() + 1);
            Reading(whole.clone())
        })
    }

    /// The first `count` elements.
    ///
    /// # Panics
    /// If they do not lie in the block, or on a GPU.
    #[track_caller]
    pub fn elements<E: Element>(&self, count: usize) -> &[E] {
        let pointer = checked(&self.0, count);
        // SAFETY: `count` aligned values of E lie there, as in `Handle::elements`. While this claim exists nothing writes: no
        // handle by rules 3 and 4, no mutable slice of the whole by rules 4 and 5.
        unsafe { std::slice::from_raw_parts(pointer, count) }
    }

    /// All bytes.
    ///
    /// # Panics
    /// If they lie on a GPU.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: this many initialised bytes begin at the pointer, and nothing writes them, as in `elements`.
        unsafe { std::slice::from_raw_parts(self.0.pointer(), self.0.bytes) }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.slices.set(self.0.slices.get() - 1);
    }
}

/// The claim of a mutable slice of all of a whole block.
pub(crate) struct Writing(Rc<Block>);

impl Writing {
    /// Returns `None` while any other claim on the block or on a part of it exists.
    pub fn new(whole: &Rc<Block>) -> Option<Writing> {
        let free = matches!(whole.home, Home::Heap(_) | Home::Gpu { .. }) && !whole.is_held() && !whole.is_sliced();
        free.then(|| {
            whole.slices.set(WRITER);
            whole.set_mirror(None);
            Writing(whole.clone())
        })
    }

    /// The first `count` elements.
    ///
    /// # Panics
    /// As [`Reading::elements`].
    #[track_caller]
    pub fn elements<E: Element>(&self, count: usize) -> &[E] {
        let pointer = checked(&self.0, count);
        // SAFETY: `count` aligned values of E lie there, as in `Handle::elements`. This claim is the only one by rule 5, and `self` is not
        // borrowed mutably.
        unsafe { std::slice::from_raw_parts(pointer, count) }
    }

    /// The first `count` elements, to write.
    ///
    /// # Panics
    /// As [`Reading::elements`].
    #[track_caller]
    pub fn elements_mut<E: Element>(&mut self, count: usize) -> &mut [E] {
        let pointer = checked(&self.0, count);
        // SAFETY: `count` aligned values of E lie there, as in `Handle::elements`. This claim is the only one by rule 5, and it
        // is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(pointer, count) }
    }

    /// All bytes, to write.
    ///
    /// # Panics
    /// If they lie on a GPU.
    #[track_caller]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: this many initialised bytes begin at the pointer. This claim is the only one by rule 5, and it is borrowed
        // mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.pointer(), self.0.bytes) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.slices.set(0);
    }
}
