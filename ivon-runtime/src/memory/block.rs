//! A piece of memory that tensor handles share.

use super::Recorder;
use crate::device::cuda::{self, Cuda};
use crate::error::{Error, Result};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;

/// Alignment of every block, in bytes, and of every parameter in a flat buffer of f32; one of bf16 lies at multiples of half of it.
pub(crate) const ALIGNMENT: usize = 256;

/// No tensor is larger: so many bytes have addresses. Sums of sizes are safe from overflow below it, also in a dry run.
pub(crate) const MOST_BYTES: usize = 1 << 47;

/// Instead of a number of readers: one who writes.
const WRITER: usize = usize::MAX;

/// Memory that is freed when the last handle on it goes.
pub(crate) struct Block {
    place: Place,
    bytes: usize,
    /// Handles that are held by a pool, a plan or a table rather than by a tensor.
    keepers: usize,
    home: Home,
    /// A copy on the card of memory of the processor, while a kernel may read it: see `Tensor::address`.
    mirror: RefCell<Option<Rc<Block>>>,
    /// How many slices of all of it are handed out to a person to be read, or [`WRITER`] if one to be written.
    slices: Cell<usize>,
}

/// Where the memory lies.
#[derive(Clone)]
enum Place {
    Host(NonNull<u8>),
    Card { cuda: Rc<Cuda>, address: u64 },
}

enum Home {
    Heap(Layout),
    Card {
        _memory: cuda::Memory,
    },
    /// A part of another block, which it keeps alive.
    Part {
        whole: Rc<Block>,
    },
    /// No memory at all: a dry run records when it is born and when it dies.
    Ghost {
        recorder: Rc<Recorder>,
        event: usize,
        /// Whether anything was launched that writes it.
        written: Cell<bool>,
        maker: &'static Location<'static>,
    },
}

impl Block {
    /// Zeroed memory: on the card, if one is given, else from the heap.
    ///
    /// # Errors
    /// If there is not so much.
    pub fn zeroed(cuda: Option<&Rc<Cuda>>, bytes: usize, keepers: usize) -> Result<Block> {
        match cuda {
            None => Block::heap(bytes, keepers),
            Some(cuda) => {
                let memory = cuda.allocate(bytes)?;
                let place = Place::Card { cuda: cuda.clone(), address: memory.address() };
                Ok(Block {
                    place,
                    bytes,
                    keepers,
                    home: Home::Card { _memory: memory },
                    mirror: RefCell::default(),
                    slices: Cell::new(0),
                })
            }
        }
    }

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
        Ok(Block {
            place: Place::Host(pointer),
            bytes,
            keepers,
            home: Home::Heap(layout),
            mirror: RefCell::default(),
            slices: Cell::new(0),
        })
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
        let place = match &whole.place {
            // SAFETY: the assertion keeps the pointer inside the allocation of `whole`.
            Place::Host(pointer) => Place::Host(unsafe { pointer.add(offset) }),
            Place::Card { cuda, address } => Place::Card { cuda: cuda.clone(), address: address + offset as u64 },
        };
        Block {
            place,
            bytes,
            keepers,
            home: Home::Part { whole: whole.clone() },
            mirror: RefCell::default(),
            slices: Cell::new(0),
        }
    }

    /// A block of a dry run: a size and a lifetime, no memory. The place in the code is that of the op that asks for it.
    #[track_caller]
    pub fn ghost(bytes: usize, recorder: &Rc<Recorder>) -> Block {
        let event = recorder.born(bytes);
        let (written, maker) = (Cell::new(bytes == 0), Location::caller());
        let home = Home::Ghost { recorder: recorder.clone(), event, written, maker };
        Block {
            place: Place::Host(NonNull::dangling()),
            bytes,
            keepers: 0,
            home,
            mirror: RefCell::default(),
            slices: Cell::new(0),
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_ghost(&self) -> bool {
        matches!(self.home, Home::Ghost { .. })
    }

    /// Something was launched that writes it.
    pub fn write(&self) {
        if let Home::Ghost { written, .. } = &self.home {
            written.set(true);
        }
    }

    /// Which op made it, if it is of a dry run and nothing was launched yet that writes it.
    pub fn unwritten(&self) -> Option<&'static Location<'static>> {
        match &self.home {
            Home::Ghost { written, maker, .. } if !written.get() => Some(maker),
            _ => None,
        }
    }

    /// The start of the memory.
    ///
    /// # Panics
    /// In a dry run, where there is none: an op that reads or writes must return before, when `cx.planning()`. And if it lies on a card, where
    /// the processor cannot reach: the op has no kernel for the card, or does not call it.
    #[track_caller]
    pub fn pointer(&self) -> *mut u8 {
        assert!(!self.is_ghost(), "an op touched memory in a dry run: it must return before when `cx.planning()`");
        match &self.place {
            Place::Host(pointer) => pointer.as_ptr(),
            Place::Card { cuda, .. } => panic!(
                "an op took a tensor on {} for one in the processor's memory: it has no kernel for a card, see docs/op.md",
                cuda.device()
            ),
        }
    }

    /// The card it lies on, and its address there.
    pub fn on_card(&self) -> Option<(&Rc<Cuda>, u64)> {
        match &self.place {
            Place::Host(_) => None,
            Place::Card { cuda, address } => Some((cuda, *address)),
        }
    }

    /// A number for where it lies, the same in every dry run of a step that does the same: an address on the card, or how many blocks of the
    /// dry run came before it.
    pub fn place(&self) -> u64 {
        match (&self.home, &self.place) {
            (Home::Ghost { event, .. }, _) => *event as u64,
            (_, Place::Card { address, .. }) => *address,
            _ => self.mirror.borrow().as_ref().map_or(0, |mirror| mirror.place()),
        }
    }

    /// The copy on the card of memory of the processor, made by `make` where there is none yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn mirrored(&self, make: impl FnOnce() -> Result<Rc<Block>>) -> Result<Rc<Block>> {
        if let Some(mirror) = &*self.mirror.borrow() {
            return Ok(mirror.clone());
        }
        let mirror = make()?;
        *self.mirror.borrow_mut() = Some(mirror.clone());
        Ok(mirror)
    }

    /// Sets or forgets the copy on the card.
    pub fn set_mirror(&self, mirror: Option<Rc<Block>>) {
        *self.mirror.borrow_mut() = mirror;
    }

    /// A slice of all of it is handed out to be read; whether it may be.
    pub fn begin_reading(&self) -> bool {
        let free = !self.is_written();
        if free {
            self.slices.set(self.slices.get() + 1);
        }
        free
    }

    /// A slice of all of it is handed out to be written; whether it may be.
    pub fn begin_writing(&self) -> bool {
        let free = !self.is_sliced();
        if free {
            self.slices.set(WRITER);
        }
        free
    }

    /// A slice comes back.
    pub fn end_slice(&self) {
        self.slices.set(if self.is_written() { 0 } else { self.slices.get() - 1 });
    }

    /// Whether a slice of it, or of the block that it is a part of, is handed out: then no tensor may write there.
    pub fn is_sliced(&self) -> bool {
        let whole = if let Home::Part { whole } = &self.home { whole } else { self };
        whole.slices.get() > 0
    }

    /// Whether it is handed out to be written: then no tensor may read there.
    pub fn is_written(&self) -> bool {
        self.slices.get() == WRITER
    }

    /// How many tensors share the block.
    pub fn sharers(this: &Rc<Block>) -> usize {
        Rc::strong_count(this) - this.keepers
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match (&self.home, &self.place) {
            // SAFETY: the pointer was allocated with this very layout and is freed once.
            (Home::Heap(layout), Place::Host(pointer)) => unsafe { dealloc(pointer.as_ptr(), *layout) },
            (Home::Ghost { recorder, event, .. }, _) => recorder.died(*event),
            _ => {}
        }
    }
}
