//! Waiting for other threads.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// How often to look before sleeping: 20 to 70 microseconds, about what a wake-up takes.
const SPINS: usize = 2000;

/// Where threads wait until something holds that others bring about.
///
/// Who waits counts itself and then looks; who changes something then looks whether there is anyone. With a single order for all of it
/// (`SeqCst`, also in the condition and in the change) one of the two sees the other, so that no wake-up is lost.
pub(crate) struct Gate {
    asleep: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    pub const fn new() -> Gate {
        Gate { asleep: AtomicUsize::new(0), lock: Mutex::new(()), changed: Condvar::new() }
    }

    /// Returns once `done` holds.
    pub fn wait_until(&self, done: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if done() {
                return;
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !done() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes up to `threads` of those that sleep, after a change.
    pub fn wake(&self, threads: usize) {
        let asleep = self.asleep.load(Ordering::SeqCst);
        if asleep == 0 {
            return;
        }
        // Who has counted itself holds the lock until it sleeps.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        if threads >= asleep {
            self.changed.notify_all();
        } else {
            (0..threads).for_each(|_| self.changed.notify_one());
        }
    }
}
