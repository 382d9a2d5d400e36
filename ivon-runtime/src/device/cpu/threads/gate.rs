//! Waiting for other threads.

use super::sync::{AtomicUsize, Condvar, Mutex, fence};
use std::hint::spin_loop;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Checks of the condition before sleeping: 20 to 70 microseconds, about as long as a wake-up.
const SPINS: usize = if cfg!(loom) { 1 } else { 2000 };

/// A place where threads wait for a condition that other threads make true.
///
/// A waiter counts itself and then checks the condition. A thread that has changed the condition then reads the count. Between
/// its two steps each executes a sequentially consistent fence, and one of the fences comes first. So either the waiter sees the
/// change, or the changer sees the count: no wake-up is lost. A changer that sees the count takes the lock before it notifies,
/// and the waiter holds the lock from its count until it sleeps.
pub(crate) struct Gate {
    asleep: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    #[cfg(not(loom))]
    pub const fn new() -> Gate {
        Gate { asleep: AtomicUsize::new(0), lock: Mutex::new(()), changed: Condvar::new() }
    }

    #[cfg(loom)]
    pub fn new() -> Gate {
        Gate { asleep: AtomicUsize::new(0), lock: Mutex::new(()), changed: Condvar::new() }
    }

    /// Returns when `done` is true. All actions of a thread before the change that `done` reads with acquire ordering are then
    /// visible.
    pub fn wait_until(&self, done: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if done() {
                return;
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while !done() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes up to `threads` sleeping threads, after a change.
    pub fn wake(&self, threads: usize) {
        fence(Ordering::SeqCst);
        let asleep = self.asleep.load(Ordering::SeqCst);
        if asleep == 0 {
            return;
        }
        // A thread that has counted itself holds the lock until it sleeps.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        if threads >= asleep {
            self.changed.notify_all();
        } else {
            (0..threads).for_each(|_| self.changed.notify_one());
        }
    }
}
