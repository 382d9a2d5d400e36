//! The dry run that records lifetimes, and the arena in which every later run of the same shape uses the same addresses.

use super::{Block, Lifetime, Plan};
use crate::device::cuda::Cuda;
use crate::error::{Error, Result};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// An allocation of a dry run.
#[derive(Clone, Copy)]
struct Event {
    bytes: usize,
    born: usize,
    dies: Option<usize>,
}

/// Notes when each block of a dry run is born and dies.
#[derive(Default)]
pub(crate) struct Recorder {
    events: RefCell<Vec<Event>>,
    clock: Cell<usize>,
}

impl Recorder {
    fn tick(&self) -> usize {
        self.clock.replace(self.clock.get() + 1)
    }

    pub fn born(&self, bytes: usize) -> usize {
        let event = Event { bytes, born: self.tick(), dies: None };
        self.events.borrow_mut().push(event);
        self.events.borrow().len() - 1
    }

    pub fn died(&self, event: usize) {
        let now = self.tick();
        self.events.borrow_mut()[event].dies = Some(now);
    }

    /// The plan of the run; what never died lives to its end.
    pub fn plan(&self) -> Plan {
        let end = self.tick();
        let lifetime = |e: &Event| Lifetime { bytes: e.bytes, born: e.born, dies: e.dies.unwrap_or(end) };
        Plan::pack(self.events.borrow().iter().map(lifetime).collect())
    }
}

/// The memory of all plans of one context: they run one after the other, so they share it.
pub(crate) struct Arena {
    cuda: Option<Rc<Cuda>>,
    memory: RefCell<Option<Rc<Block>>>,
    runs: RefCell<Vec<Rc<Run>>>,
}

/// A plan with its blocks, in the order in which the step asks for them.
pub(crate) struct Run {
    pub plan: Plan,
    blocks: RefCell<Vec<Rc<Block>>>,
    next: Cell<usize>,
    /// Of each block, those whose memory it takes over.
    predecessors: Vec<Vec<usize>>,
    departed: Cell<bool>,
}

impl Arena {
    /// An arena on the card, if one is given, else in the processor's memory.
    pub fn new(cuda: Option<Rc<Cuda>>) -> Arena {
        Arena { cuda, memory: RefCell::default(), runs: RefCell::default() }
    }

    pub fn bytes(&self) -> usize {
        self.memory.borrow().as_ref().map_or(0, |m| m.bytes())
    }

    /// Where it lies on a card, if there is one yet.
    pub fn address(&self) -> u64 {
        self.memory.borrow().as_ref().map_or(0, |memory| memory.place())
    }

    /// Takes a plan in; the arena grows if the plan needs more.
    ///
    /// # Errors
    /// If there is not so much memory; then everything is as before.
    pub fn add(&self, plan: Plan) -> Result<Rc<Run>> {
        let (predecessors, before) = (plan.predecessors(), self.bytes());
        let run = Rc::new(Run { plan, blocks: RefCell::default(), next: Cell::new(0), predecessors, departed: Cell::new(false) });
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

    /// Forgets a plan.
    pub fn remove(&self, run: &Rc<Run>) {
        self.runs.borrow_mut().retain(|r| !Rc::ptr_eq(r, run));
    }

    /// Memory of another size. The caller has seen that no tensor holds the old one, which goes before the new one comes.
    fn resize(&self, bytes: usize) -> Result<()> {
        self.runs.borrow().iter().for_each(|r| r.blocks.borrow_mut().clear());
        *self.memory.borrow_mut() = None;
        *self.memory.borrow_mut() = Some(Rc::new(Block::zeroed(self.cuda.as_ref(), bytes, 0)?));
        self.runs.borrow().iter().for_each(|r| self.place(r));
        Ok(())
    }

    fn place(&self, run: &Run) {
        let memory = self.memory.borrow();
        let Some(memory) = memory.as_ref() else { return };
        let parts = run.plan.lifetimes.iter().zip(&run.plan.offsets);
        *run.blocks.borrow_mut() = parts.map(|(l, offset)| Rc::new(Block::part(memory, *offset, l.bytes, 1))).collect();
    }

    /// Whether a tensor of an earlier run is still held: its memory is about to be used again.
    pub fn is_held(&self) -> bool {
        self.runs.borrow().iter().any(|r| r.blocks.borrow().iter().any(|b| Block::sharers(b) > 0))
    }
}

impl Run {
    pub fn start(&self) {
        self.next.set(0);
    }

    /// The block for the next allocation.
    pub fn block(&self, bytes: usize) -> Result<Rc<Block>> {
        let i = self.next.replace(self.next.get() + 1);
        let blocks = self.blocks.borrow();
        // A tensor that lives longer than in the dry run would share its memory with this one.
        let free = |i: usize| Block::sharers(&blocks[i]) == 0;
        let found = match blocks.get(i) {
            Some(block) if block.bytes() != bytes => format!("had {} bytes", block.bytes()),
            Some(block) if free(i) && self.predecessors[i].iter().all(|p| free(*p)) => return Ok(block.clone()),
            Some(_) => "had given that memory back".into(),
            None => "had none".into(),
        };
        self.departed.set(true);
        let message = format!(
            "allocation {i} asks for {bytes} bytes where the dry run {found}: a step must allocate the same for the same shapes, whatever \
             the values. If it depends on a setting, name it in the step's key"
        );
        Err(Error::value("memory plan", message))
    }

    /// Whether a step has allocated otherwise than planned.
    pub fn departed(&self) -> bool {
        self.departed.get()
    }
}
