//! Ending a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to end a run after the step that it is in. Clones are one flag, so that a signal handler or another thread can
/// set it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Not requested yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks the run to end. Whether it had been asked before.
    pub fn request(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }

    /// True if the run was asked to end.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
