//! Waiting for other threads.

use super::sync::{AtomicUsize, Condvar, Mutex, fence};
use std::hint::spin_loop;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Looks before sleeping: 20 to 70 microseconds, about what a wake-up takes.
const SPINS: usize = if cfg!(loom) { 1 } else { 2000 };

/// A place where threads wait until a condition holds that others bring about.
///
/// A waiter counts itself and then looks at the condition; a thread that has changed the condition then looks at the count. Between the two steps
/// each executes a sequentially consistent fence. One fence comes first: either the waiter sees the change, or the changer sees the count, so no
/// wake-up is lost. A changer that sees the count takes the lock before it notifies, and the waiter holds the lock from its count until it sleeps.
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

    /// Returns once `done` holds. What a thread did before the change that `done` reads with acquire ordering has happened then.
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

    /// Wakes up to `threads` of those that sleep, after a change.
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
