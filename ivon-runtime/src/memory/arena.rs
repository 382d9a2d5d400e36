//! The arena: memory in which every run of a planned step uses the same addresses.

use super::{Block, Failure, Handle, Plan};
use crate::core::error::{Error, Result};
use crate::device::cuda::Cuda;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The memory for all plans of one context. The plans run one after the other, so they share it.
pub(crate) struct Arena {
    cuda: Option<Rc<Cuda>>,
    memory: RefCell<Option<Rc<Block>>>,
    runs: RefCell<Vec<Rc<Run>>>,
}

/// A plan with its blocks, in the order of the step's allocations.
pub(crate) struct Run {
    pub plan: Plan,
    blocks: RefCell<Vec<Rc<Block>>>,
    next: Cell<usize>,
    pub failure: Failure,
}

impl Arena {
    /// An arena on the GPU, if one is given, else in host memory.
    pub fn new(cuda: Option<Rc<Cuda>>) -> Arena {
        Arena { cuda, memory: RefCell::default(), runs: RefCell::default() }
    }

    pub fn bytes(&self) -> usize {
        self.memory.borrow().as_ref().map_or(0, |m| m.bytes())
    }

    /// The address on a GPU; 0 if there is none yet.
    pub fn address(&self) -> u64 {
        self.memory.borrow().as_ref().map_or(0, |memory| memory.place())
    }

    /// Adds a plan. The arena grows if the plan needs more memory.
    ///
    /// # Errors
    /// If there is not enough memory. The arena is then as before.
    pub fn add(&self, plan: Plan) -> Result<Rc<Run>> {
        let before = self.bytes();
        let run = Rc::new(Run { plan, blocks: RefCell::default(), next: Cell::new(0), failure: Failure::default() });
        self.runs.borrow_mut().push(run.clone());
        if self.memory.borrow().is_some() && run.plan.bytes <= before {
            self.place(&run);
        } else if let Err(error) = self.resize(run.plan.bytes) {
            self.remove(&run);
            self.resize(before)?;
            return Err(error);
        }
        Ok(run)
    }

    /// Removes a plan. Its tensors keep their memory, and the memory keeps their claims.
    pub fn remove(&self, run: &Rc<Run>) {
        self.runs.borrow_mut().retain(|r| !Rc::ptr_eq(r, run));
    }

    /// Allocates memory of another size. The old memory is freed before, unless a tensor still lies in it.
    fn resize(&self, bytes: usize) -> Result<()> {
        self.runs.borrow().iter().for_each(|r| r.blocks.borrow_mut().clear());
        *self.memory.borrow_mut() = None;
        *self.memory.borrow_mut() = Some(Rc::new(Block::zeroed(self.cuda.as_ref(), bytes)?));
        self.runs.borrow().iter().for_each(|r| self.place(r));
        Ok(())
    }

    fn place(&self, run: &Run) {
        let memory = self.memory.borrow();
        let Some(memory) = memory.as_ref() else { return };
        let parts = run.plan.lifetimes.iter().zip(&run.plan.offsets);
        *run.blocks.borrow_mut() = parts.map(|(l, offset)| Rc::new(Block::part(memory, *offset, l.bytes))).collect();
    }

    /// True while a tensor of any earlier run exists, even if its plan was removed.
    pub fn is_held(&self) -> bool {
        self.memory.borrow().as_ref().is_some_and(|memory| memory.is_held())
    }
}

impl Run {
    pub fn start(&self) {
        self.next.set(0);
        self.failure.clear();
    }

    /// Returns the memory for the next allocation.
    ///
    /// # Errors
    /// If the allocations of the step differ from the plan, now or earlier in this run.
    pub fn handle(&self, bytes: usize) -> Result<Handle> {
        self.failure.check()?;
        let i = self.next.replace(self.next.get() + 1);
        let found = match self.blocks.borrow().get(i) {
            Some(block) if block.bytes() != bytes => format!("had {} bytes", block.bytes()),
            Some(block) => match Handle::new(block) {
                Some(handle) => return Ok(handle),
                // A tensor that lives longer than in the dry run still uses the memory.
                None => "had given that memory back".into(),
            },
            None => "had none".into(),
        };
        let message = format!(
            "allocation {i} asks for {bytes} bytes where the dry run {found}: a step must allocate the same for the same shapes, whatever \
             the values. If it depends on a setting, name it in the step's key"
        );
        Err(Error::value("memory plan", message))
    }
}
