//! Helpers that join a region while it is open.
//!
//! The thread that opens a region does not wait for helpers to arrive: a helper that is scheduled too late finds the region
//! closed. It waits only for helpers that are inside.
//!
//! One number, [`Team::state`], counts the helpers that may still enter (places) and those that are inside. The steps of a
//! region:
//!
//! 1. The opener holds the lock of `helpers`, so there is one region at a time. The state is 0: no place is free, and no helper
//!    is inside.
//! 2. It writes the job, then stores the places (release).
//! 3. A helper takes a place and enters in one compare-and-swap (acquire), which fails if no place is left. So a helper that is
//!    inside has seen the job of this region, and may read it any number of times.
//! 4. The opener and the helpers remove all places when they find no work left. A helper leaves by subtracting 1 (release).
//! 5. The opener waits until it reads 0 (acquire), even if its own part panics. Every helper that entered has then left, its work
//!    is visible, and no other helper can enter. Only after that does the borrow of the job end and is the lock released.
//!
//! `tests/threads` checks this with loom, in all interleavings of a few threads.

use super::Gate;
use super::sync::{AtomicU64, Job, Mutex, MutexGuard};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};

pub(crate) struct Team {
    /// The number of helpers. Locked by the thread whose region is open.
    helpers: Mutex<usize>,
    /// The number of helpers that may still enter, times [`PLACE`], plus the number of those inside.
    state: AtomicU64,
    work: Job,
    opened: Gate,
    emptied: Gate,
    /// The panic of a helper.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

const PLACE: u64 = 1 << 32;
const INSIDE: u64 = PLACE - 1;

impl Team {
    #[cfg(not(loom))]
    pub const fn new() -> Team {
        Team {
            helpers: Mutex::new(0),
            state: AtomicU64::new(0),
            work: Job::new(),
            opened: Gate::new(),
            emptied: Gate::new(),
            panic: Mutex::new(None),
        }
    }

    #[cfg(loom)]
    pub fn new() -> Team {
        Team {
            helpers: Mutex::new(0),
            state: AtomicU64::new(0),
            work: Job::new(),
            opened: Gate::new(),
            emptied: Gate::new(),
            panic: Mutex::new(None),
        }
    }

    /// Runs `work` on this thread and on up to `threads - 1` helpers. Helpers join until `work` has returned on one of the
    /// threads, because nothing is left to claim then. Returns false without calling `work` if another region is open. `hire`
    /// starts helpers: it receives the number of existing and of wanted helpers.
    pub fn open(&self, threads: usize, work: &(dyn Fn() + Sync), hire: impl FnOnce(&mut usize, usize)) -> bool {
        let mut helpers = match self.helpers.try_lock() {
            Ok(helpers) => helpers,
            Err(TryLockError::Poisoned(helpers)) => helpers.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        hire(&mut helpers, threads - 1);
        // A panic may be left from a region whose opener panicked too.
        *self.panicked() = None;
        {
            let _region = Region(self);
            // SAFETY: `work` is borrowed until this function returns or unwinds. Before that `_region` is dropped, which waits
            // until no helper is inside and none can enter; helpers read the job only inside. Now no helper is inside and no
            // place is free, so nothing reads the job while it is written.
            unsafe { self.work.set(work) };
            self.state.store((threads as u64 - 1) * PLACE, Ordering::SeqCst);
            self.opened.wake(threads - 1);
            work();
        }
        let panic = self.panicked().take();
        drop(helpers);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        true
    }

    /// One iteration of a helper: waits for a free place, takes it and works. Returns false if `stop` is true instead.
    pub fn serve(&self, stop: impl Fn() -> bool) -> bool {
        self.opened.wait_until(|| self.state.load(Ordering::SeqCst) >= PLACE || stop());
        if stop() {
            return false;
        }
        let come_in = |state: u64| (state >= PLACE).then(|| state - PLACE + 1);
        if self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, come_in).is_err() {
            return true;
        }
        // SAFETY: this thread is inside of the region that wrote the job, so nothing writes it, and its borrow lasts until this
        // thread has left.
        let work = unsafe { self.work.get() };
        if let Some(work) = work
            && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
        {
            *self.panicked() = Some(panic);
        }
        // No work is left: no other helper needs to enter.
        self.state.fetch_and(INSIDE, Ordering::SeqCst);
        if self.state.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.emptied.wake(1);
        }
        true
    }

    fn panicked(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all helpers, so that they check whether to stop.
    #[cfg(loom)]
    pub fn dismiss(&self) {
        self.opened.wake(usize::MAX);
    }
}

/// An open region. Dropping it closes it and waits until all helpers have left.
struct Region<'a>(&'a Team);

impl Drop for Region<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(INSIDE, Ordering::SeqCst);
        self.0.emptied.wait_until(|| self.0.state.load(Ordering::SeqCst) == 0);
    }
}
