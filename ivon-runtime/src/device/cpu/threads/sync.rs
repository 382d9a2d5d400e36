//! The primitives of the team: those of the standard library, or loom's, with which `tests/threads` checks a model of the team.

#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, fence},
};
#[cfg(not(loom))]
use std::cell::UnsafeCell;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, fence},
};

type Work = &'static (dyn Fn() + Sync);

/// The work of a region's threads.
pub(crate) struct Job(UnsafeCell<Option<Work>>);

// SAFETY: a shared reference to the job accesses its content only by `set` and `get`, whose callers keep writes apart from reads.
// The content itself is `Sync`.
unsafe impl Sync for Job {}

impl Job {
    #[cfg(not(loom))]
    pub const fn new() -> Job {
        Job(UnsafeCell::new(None))
    }

    #[cfg(loom)]
    pub fn new() -> Job {
        Job(UnsafeCell::new(None))
    }

    /// Stores a job.
    ///
    /// # Safety
    /// Nothing may read or write the job at the same time. No result of [`Job::get`] may be used after the borrow of `work` ends.
    pub unsafe fn set(&self, work: &(dyn Fn() + Sync)) {
        // SAFETY: the types differ only in the lifetime, which the caller guarantees.
        let work = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Work>(work) };
        #[cfg(loom)]
        // SAFETY: by the caller's contract nothing else uses the cell.
        self.0.with_mut(|job| unsafe { *job = Some(work) });
        #[cfg(not(loom))]
        // SAFETY: by the caller's contract nothing else uses the cell.
        unsafe {
            *self.0.get() = Some(work);
        }
    }

    /// Returns the job that was stored last.
    ///
    /// # Safety
    /// Nothing may write the job at the same time.
    pub unsafe fn get(&self) -> Option<Work> {
        #[cfg(loom)]
        // SAFETY: by the caller's contract nothing writes the cell.
        return self.0.with(|job| unsafe { *job });
        #[cfg(not(loom))]
        // SAFETY: by the caller's contract nothing writes the cell.
        unsafe {
            *self.0.get()
        }
    }
}
