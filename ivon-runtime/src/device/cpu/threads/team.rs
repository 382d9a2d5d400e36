//! Helpers that join a region while it is open.
//!
//! The thread that opens a region does not wait for helpers to come: one that is not scheduled in time finds the region closed. It waits
//! only for those that are inside.
//!
//! One number, [`Team::state`], says how many helpers may still come in (places) and how many are inside. A region's life:
//!
//! 1. The opener holds the lock of `helpers`, so there is one region at a time, and the state is 0: no place, nobody inside.
//! 2. It writes the job, then stores the places (release).
//! 3. A helper takes a place and steps inside in one compare-and-swap (acquire), which fails where no place is left. So a helper that is inside has
//!    seen the job of this region, and reads it as often as it likes.
//! 4. Opener and helpers, when they find nothing left to begin, take away all places. A helper steps out by subtracting 1 (release).
//! 5. The opener waits until it reads 0 (acquire), also when its own part panics: every helper that came in is out, what they did has happened, and
//!    none can come in. Only then does the borrow of the job end, and only then is the lock released.
//!
//! `tests/threads` checks this with loom, in every order of a few threads.

use super::Gate;
use super::sync::{AtomicU64, Job, Mutex, MutexGuard};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};

pub(crate) struct Team {
    /// The number of helpers; locked by the thread whose region is open.
    helpers: Mutex<usize>,
    /// Helpers that may still come in, times [`PLACE`], plus those inside.
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

    /// Runs `work` on this thread and on up to `threads - 1` helpers that come before it has returned somewhere: it returns when nothing is left
    /// to begin. Returns false without a call of `work` while another region is open. `hire` starts helpers: it is given how many there are, and
    /// how many are wanted.
    pub fn open(&self, threads: usize, work: &(dyn Fn() + Sync), hire: impl FnOnce(&mut usize, usize)) -> bool {
        let mut helpers = match self.helpers.try_lock() {
            Ok(helpers) => helpers,
            Err(TryLockError::Poisoned(helpers)) => helpers.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        hire(&mut helpers, threads - 1);
        // Of a region whose own thread panicked too.
        *self.panicked() = None;
        {
            let _region = Region(self);
            // SAFETY: `work` is borrowed until this function returns or unwinds. Before that `_region` is dropped, which waits until no helper is inside and
            // none can come in; helpers read the job inside only. No helper is inside now and no place is free, so nothing reads it while it is written.
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

    /// One iteration of a helper: waits for a free place, takes it and works. Returns false when `stop` holds instead.
    pub fn serve(&self, stop: impl Fn() -> bool) -> bool {
        self.opened.wait_until(|| self.state.load(Ordering::SeqCst) >= PLACE || stop());
        if stop() {
            return false;
        }
        let come_in = |state: u64| (state >= PLACE).then(|| state - PLACE + 1);
        if self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, come_in).is_err() {
            return true;
        }
        // SAFETY: this thread is inside of the region that wrote the job, so nothing writes it, and its borrow lasts until this thread is out.
        let work = unsafe { self.work.get() };
        if let Some(work) = work
            && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
        {
            *self.panicked() = Some(panic);
        }
        // Nothing is left to begin: no other helper needs to come in.
        self.state.fetch_and(INSIDE, Ordering::SeqCst);
        if self.state.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.emptied.wake(1);
        }
        true
    }

    fn panicked(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all helpers, for them to see that they are to stop.
    #[cfg(loom)]
    pub fn dismiss(&self) {
        self.opened.wake(usize::MAX);
    }
}

/// An open region; closed and left by everyone when dropped.
struct Region<'a>(&'a Team);

impl Drop for Region<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(INSIDE, Ordering::SeqCst);
        self.0.emptied.wait_until(|| self.0.state.load(Ordering::SeqCst) == 0);
    }
}
