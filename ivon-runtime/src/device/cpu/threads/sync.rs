//! The primitives of the team: those of the standard library, or loom's, where `tests/threads` checks a model of it.

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

/// The work of the threads of a region.
pub(crate) struct Job(UnsafeCell<Option<Work>>);

// SAFETY: a shared reference to the job gives access to what it holds by `set` and `get` alone, whose callers keep writing apart from reading. What it
// holds may be shared between threads itself: it is `Sync`.
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

    /// Puts a job in.
    ///
    /// # Safety
    /// Nothing reads or writes the job at the same time, and no result of [`Job::get`] is used after the borrow of `work` ends.
    pub unsafe fn set(&self, work: &(dyn Fn() + Sync)) {
        // SAFETY: references differ in their lifetime alone, which the caller vouches for.
        let work = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Work>(work) };
        #[cfg(loom)]
        // SAFETY: nothing else uses the cell, by the caller's promise.
        self.0.with_mut(|job| unsafe { *job = Some(work) });
        #[cfg(not(loom))]
        // SAFETY: nothing else uses the cell, by the caller's promise.
        unsafe {
            *self.0.get() = Some(work);
        }
    }

    /// The job that was put in last.
    ///
    /// # Safety
    /// Nothing writes it at the same time.
    pub unsafe fn get(&self) -> Option<Work> {
        #[cfg(loom)]
        // SAFETY: nothing writes the cell, by the caller's promise.
        return self.0.with(|job| unsafe { *job });
        #[cfg(not(loom))]
        // SAFETY: nothing writes the cell, by the caller's promise.
        unsafe {
            *self.0.get()
        }
    }
}
