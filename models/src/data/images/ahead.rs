//! Work that is done ahead of its use by threads in the background, in a queue of bounded length. What comes out is a function of its
//! number alone, so neither the number of threads nor their timing shows.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Makes items by number, ahead of their use.
pub struct Ahead<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    make: Box<dyn Fn(u64) -> T + Send + Sync>,
    depth: u64,
    queue: Mutex<Queue<T>>,
    /// There may be something to make.
    room: Condvar,
    /// There is something to take.
    made: Condvar,
}

struct Queue<T> {
    /// The item that will be taken next; `None` before the first.
    wanted: Option<u64>,
    /// The item that a thread starts with next.
    next: u64,
    /// One past the last item.
    end: u64,
    /// Counts jumps; what was begun before one is thrown away.
    jumps: u64,
    ready: BTreeMap<u64, thread::Result<T>>,
    closed: bool,
}

impl<T: Send + 'static> Ahead<T> {
    /// Makes items `0..end` with `make`, at most `depth` of them ahead, once the first one is asked for.
    pub fn new(threads: usize, depth: usize, end: u64, make: impl Fn(u64) -> T + Send + Sync + 'static) -> Ahead<T> {
        let queue = Queue { wanted: None, next: 0, end, jumps: 0, ready: BTreeMap::new(), closed: false };
        let shared = Arc::new(Shared {
            make: Box::new(make),
            depth: depth.max(1) as u64,
            queue: Mutex::new(queue),
            room: Condvar::new(),
            made: Condvar::new(),
        });
        let start = |i| {
            let shared = shared.clone();
            thread::Builder::new().name(format!("pictures {i}")).spawn(move || shared.work()).ok()
        };
        // A machine without room for threads does the work when it is asked for.
        let threads = (0..threads).filter_map(start).collect();
        Ahead { shared, threads }
    }

    /// Item `number`. Those after it are made next.
    pub fn take(&mut self, number: u64) -> T {
        if self.threads.is_empty() {
            return (self.shared.make)(number);
        }
        let shared = &self.shared;
        let mut queue = shared.lock();
        if queue.wanted != Some(number) {
            *queue = Queue {
                wanted: Some(number),
                next: number,
                end: queue.end,
                jumps: queue.jumps + 1,
                ready: BTreeMap::new(),
                closed: false,
            };
            shared.room.notify_all();
        }
        loop {
            if let Some(item) = queue.ready.remove(&number) {
                queue.wanted = Some(number + 1);
                drop(queue);
                shared.room.notify_all();
                return item.unwrap_or_else(|panic| resume_unwind(panic));
            }
            if number >= queue.end {
                drop(queue);
                return (shared.make)(number);
            }
            queue = shared.made.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return;
            }
            let limit = queue.wanted.map_or(0, |wanted| wanted.saturating_add(self.depth).min(queue.end));
            if queue.next >= limit {
                queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (number, jumps) = (queue.next, queue.jumps);
            queue.next += 1;
            drop(queue);
            let item = catch_unwind(AssertUnwindSafe(|| (self.make)(number)));
            queue = self.lock();
            if queue.jumps == jumps {
                queue.ready.insert(number, item);
                self.made.notify_all();
            }
        }
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // Panics were caught where they happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn items_come_in_order_whatever_the_threads_do() {
        for threads in [0, 1, 3, 8] {
            let mut ahead = Ahead::new(threads, 4, 100, |n| {
                thread::sleep(Duration::from_micros(n * 7919 % 300));
                n * n
            });
            assert!((0..100).all(|n| ahead.take(n) == n * n));
            // Beyond the end, back, and from the middle on.
            assert!([200, 3, 4, 50, 51, 2, 99].into_iter().all(|n| ahead.take(n) == n * n), "{threads} threads");
        }
    }

    #[test]
    fn no_more_is_made_ahead_than_was_said() {
        let made = Arc::new(AtomicU64::new(0));
        let counter = made.clone();
        let mut ahead = Ahead::new(4, 5, 1000, move |n| {
            counter.fetch_add(1, Ordering::SeqCst);
            n
        });
        for taken in 1..=50 {
            ahead.take(taken - 1);
            // After item n was taken, n + depth may have been begun.
            assert!(made.load(Ordering::SeqCst) <= taken + 5);
        }
    }

    #[test]
    fn a_panic_arrives_where_the_item_is_taken() {
        let mut ahead = Ahead::new(2, 2, 10, |n| assert!(n != 1, "item one"));
        ahead.take(0);
        let panic = catch_unwind(AssertUnwindSafe(|| ahead.take(1))).unwrap_err();
        assert!(panic.downcast_ref::<&str>().is_some_and(|m| *m == "item one"), "{panic:?}");
        ahead.take(2);
    }
}
