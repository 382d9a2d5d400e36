//! The dry run that records lifetimes, and the arena in which every later run of the same shape uses the same addresses.

use super::{Block, Lifetime, Plan};
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
#[derive(Default)]
pub(crate) struct Arena {
    memory: RefCell<Option<Rc<Block>>>,
    runs: RefCell<Vec<Rc<Run>>>,
}

/// A plan with its blocks, in the order in which the step asks for them.
pub(crate) struct Run {
    pub plan: Plan,
    blocks: RefCell<Vec<Rc<Block>>>,
    next: Cell<usize>,
}

impl Arena {
    pub fn bytes(&self) -> usize {
        self.memory.borrow().as_ref().map_or(0, |m| m.bytes())
    }

    /// Takes a plan in; the arena grows if the plan needs more.
    pub fn add(&self, plan: Plan) -> Rc<Run> {
        let run = Rc::new(Run { plan, blocks: RefCell::default(), next: Cell::new(0) });
        self.runs.borrow_mut().push(run.clone());
        if self.memory.borrow().is_none() || run.plan.bytes > self.bytes() {
            // The old memory goes before the new one comes. The caller has seen that no tensor holds it.
            self.runs.borrow().iter().for_each(|r| r.blocks.borrow_mut().clear());
            *self.memory.borrow_mut() = None;
            *self.memory.borrow_mut() = Some(Rc::new(Block::heap(run.plan.bytes, 0)));
            self.runs.borrow().iter().for_each(|r| self.place(r));
        } else {
            self.place(&run);
        }
        run
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
        match self.blocks.borrow().get(i) {
            Some(block) if block.bytes() == bytes && Block::sharers(block) == 0 => Ok(block.clone()),
            found => Err(Error::value(
                "memory plan",
                format!(
                    "allocation {i} asks for {bytes} bytes where the dry run had {}: a step must allocate the same for the same \
                     shapes, whatever the values",
                    found.map_or("none".into(), |b| format!("{} bytes", b.bytes()))
                ),
            )),
        }
    }
}
