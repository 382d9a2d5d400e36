//! Blocks of a dry run, and the record of when each is born and dies.

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

/// Notes when each block of a dry run is born and dies.
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

    /// The plan of the run; what never died lives to its end.
    pub fn plan(&self) -> Plan {
        let end = self.tick();
        let lifetime = |e: &Event| Lifetime { bytes: e.bytes, born: e.born, dies: e.dies.unwrap_or(end) };
        Plan::pack(self.events.borrow().iter().map(lifetime).collect())
    }
}

/// The first allocation of a step that failed. The step is over then, even if it goes on as if nothing had happened.
#[derive(Default)]
pub(crate) struct Failure(RefCell<Option<Error>>);

impl Failure {
    /// Keeps the first error.
    pub fn note(&self, error: &Error) {
        self.0.borrow_mut().get_or_insert_with(|| error.clone());
    }

    /// # Errors
    /// The one that was noted.
    pub fn check(&self) -> Result<(), Error> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    /// Forgets the error of an earlier run.
    pub fn clear(&self) {
        *self.0.borrow_mut() = None;
    }
}

/// A block of a dry run: it records when it is born and when it dies.
pub(crate) struct Ghost {
    recorder: Rc<Recorder>,
    event: usize,
    /// True once anything was launched that writes it.
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

    /// The number of blocks that the dry run made before.
    pub fn number(&self) -> u64 {
        self.event as u64
    }

    /// Something was launched that writes it.
    pub fn write(&self) {
        self.written.set(true);
    }

    /// The op that made it, while nothing was launched that writes it.
    pub fn unwritten(&self) -> Option<&'static Location<'static>> {
        (!self.written.get()).then_some(self.maker)
    }
}
