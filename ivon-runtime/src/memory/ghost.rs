//! Blocks of a dry run, and the record of their lifetimes.

use super::{Lifetime, Plan};
use crate::core::error::Error;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

/// An allocation of a dry run.
#[derive(Clone, Copy)]
struct Event {
    bytes: usize,
    born: usize,
    dies: Option<usize>,
}

/// Records the lifetime of each block of a dry run.
#[derive(Default)]
pub(crate) struct Recorder {
    events: RefCell<Vec<Event>>,
    clock: Cell<usize>,
    pub failure: Failure,
}

impl Recorder {
    fn tick(&self) -> usize {
        self.clock.replace(self.clock.get() + 1)
    }

    fn born(&self, bytes: usize) -> usize {
        let event = Event { bytes, born: self.tick(), dies: None };
        self.events.borrow_mut().push(event);
        self.events.borrow().len() - 1
    }

    fn died(&self, event: usize) {
        let now = self.tick();
        self.events.borrow_mut()[event].dies = Some(now);
    }

    /// Returns the plan of the run. A block that was not dropped lives until the end.
    pub fn plan(&self) -> Plan {
        let end = self.tick();
        let lifetime = |e: &Event| Lifetime { bytes: e.bytes, born: e.born, dies: e.dies.unwrap_or(end) };
        Plan::pack(self.events.borrow().iter().map(lifetime).collect())
    }
}

/// The first failed allocation of a step. The step then fails, even if its code ignores the error.
#[derive(Default)]
pub(crate) struct Failure(RefCell<Option<Error>>);

impl Failure {
    /// Keeps the first error.
    pub fn note(&self, error: &Error) {
        self.0.borrow_mut().get_or_insert_with(|| error.clone());
    }

    /// # Errors
    /// The error that was noted.
    pub fn check(&self) -> Result<(), Error> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    /// Removes the error of an earlier run.
    pub fn clear(&self) {
        *self.0.borrow_mut() = None;
    }
}

/// A block of a dry run. It records its own lifetime.
pub(crate) struct Ghost {
    recorder: Rc<Recorder>,
    event: usize,
    /// True after a launch that writes the block.
    written: Cell<bool>,
    maker: &'static Location<'static>,
}

impl Ghost {
    pub fn born(bytes: usize, recorder: &Rc<Recorder>, maker: &'static Location<'static>) -> Ghost {
        Ghost { recorder: recorder.clone(), event: recorder.born(bytes), written: Cell::new(bytes == 0), maker }
    }

    pub fn dies(&self) {
        self.recorder.died(self.event);
    }

    /// The index of the block: the number of blocks that the dry run made before.
    pub fn number(&self) -> u64 {
        self.event as u64
    }

    /// Notes a launch that writes the block.
    pub fn write(&self) {
        self.written.set(true);
    }

    /// The place of the op that made the block, if no launch has written it.
    pub fn unwritten(&self) -> Option<&'static Location<'static>> {
        (!self.written.get()).then_some(self.maker)
    }
}
