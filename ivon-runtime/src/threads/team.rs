//! Helpers that join a region while it is open.
//!
//! The thread that opens a region does not wait for helpers to come: one that is not scheduled in time finds the region closed. It waits
//! only for those that are inside.

use super::Gate;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

static TEAM: Team = Team {
    helpers: Mutex::new(0),
    state: AtomicU64::new(0),
    work: Job(UnsafeCell::new(None)),
    opened: Gate::new(),
    emptied: Gate::new(),
    panic: Mutex::new(None),
};

struct Team {
    /// How many helpers there are; locked by the thread whose region is open.
    helpers: Mutex<usize>,
    /// How many helpers may still come in, times [`PLACE`], plus how many are inside.
    state: AtomicU64,
    work: Job,
    opened: Gate,
    emptied: Gate,
    /// What a helper panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

const PLACE: u64 = 1 << 32;
const INSIDE: u64 = PLACE - 1;

/// What the threads of a region do. Written while no place is free and no helper inside, read by those inside.
struct Job(UnsafeCell<Option<&'static (dyn Fn() + Sync)>>);
// SAFETY: see above; `state` orders writing and reading.
unsafe impl Sync for Job {}

thread_local!(static IN_TEAM: Cell<bool> = const { Cell::new(false) });

/// Whether this thread is one of a region's: there are no more threads for what it calls.
pub(crate) fn in_team() -> bool {
    IN_TEAM.get()
}

/// Calls `work` on this thread, and on up to `threads - 1` helpers that come before it has returned somewhere: it returns when nothing is left to
/// begin. Inside of a region, or while another thread has one open, on this thread alone.
pub(crate) fn together(threads: usize, work: &(impl Fn() + Sync)) {
    let helpers = match TEAM.helpers.try_lock() {
        _ if threads <= 1 => None,
        Ok(helpers) => Some(helpers),
        Err(TryLockError::Poisoned(helpers)) => Some(helpers.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    let Some(mut helpers) = helpers else { return work() };
    hire(&mut helpers, threads - 1);
    // Of a region whose own thread panicked too.
    *panicked() = None;
    let work: &(dyn Fn() + Sync) = work;
    // SAFETY: no helper is inside, and none can come in before the state says so. The reference is used by helpers inside only, and `Region` waits for
    // the last of them to leave before `work` goes out of scope.
    unsafe { *TEAM.work.0.get() = Some(std::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(work)) };
    TEAM.state.store((threads as u64 - 1) * PLACE, Ordering::SeqCst);
    TEAM.opened.wake(threads - 1);
    {
        let _region = Region::enter();
        work();
    }
    let panic = panicked().take();
    drop(helpers);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// An open region; closed and left by everyone when dropped.
struct Region;

impl Region {
    fn enter() -> Region {
        IN_TEAM.set(true);
        Region
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        IN_TEAM.set(false);
        TEAM.state.fetch_and(INSIDE, Ordering::SeqCst);
        TEAM.emptied.wait_until(|| TEAM.state.load(Ordering::SeqCst) == 0);
    }
}

fn panicked() -> MutexGuard<'static, Option<Box<dyn Any + Send>>> {
    TEAM.panic.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts helpers until there are so many; fewer, if the system has no more threads.
fn hire(helpers: &mut usize, wanted: usize) {
    while *helpers < wanted {
        let thread = std::thread::Builder::new().name(format!("helper {}", *helpers + 1));
        if thread.spawn(help).is_err() {
            return;
        }
        *helpers += 1;
    }
}

/// The life of a helper.
fn help() {
    IN_TEAM.set(true);
    let come_in = |state: u64| (state >= PLACE).then(|| state - PLACE + 1);
    loop {
        TEAM.opened.wait_until(|| TEAM.state.load(Ordering::SeqCst) >= PLACE);
        if TEAM.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, come_in).is_err() {
            continue;
        }
        // SAFETY: this thread is inside, so nobody writes, and what was written before the place was free is still borrowed.
        if let Some(work) = unsafe { *TEAM.work.0.get() }
            && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
        {
            *panicked() = Some(panic);
        }
        // Nothing is left to begin: nobody needs to come in any more.
        TEAM.state.fetch_and(INSIDE, Ordering::SeqCst);
        if TEAM.state.fetch_sub(1, Ordering::SeqCst) == 1 {
            TEAM.emptied.wake(1);
        }
    }
}
