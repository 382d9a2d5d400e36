//! The threads on which kernels run: the computing thread, and helpers that join it while it runs a region.
//!
//! Work is split by shape and claimed piece by piece. A thread that the system does not schedule claims nothing, so no thread
//! waits for it, and results depend only on the split. A thread that has to wait spins for some microseconds and then sleeps
//! until it is woken. It does not yield: on a machine with more runnable threads than CPUs, yielding gives up a whole time slice
//! of milliseconds, while a sleeping thread runs soon after its wake-up.
//!
//! The number of threads is that of the current rayon pool, which `--threads`, `RAYON_NUM_THREADS` and tests set.

mod gate;
mod sync;
mod team;

pub(crate) use gate::Gate;
pub(crate) use sync::AtomicUsize;

use std::cell::Cell;
use std::sync::{Mutex, Once, PoisonError};
use team::Team;

static TEAM: Team = Team::new();

thread_local!(static IN_TEAM: Cell<bool> = const { Cell::new(false) });

/// True on a thread of a region. Code that it calls gets no further threads.
pub(crate) fn in_team() -> bool {
    IN_TEAM.get()
}

/// Runs `work` on this thread and on up to `threads - 1` helpers. Helpers join until `work` has returned on one of the threads,
/// because nothing is left to claim then. Inside of a region, or while another thread has a region open, `work` runs on this
/// thread alone.
pub(crate) fn together(threads: usize, work: &(impl Fn() + Sync)) {
    /// Restores the flag, even if `work` panics.
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            IN_TEAM.set(self.0);
        }
    }
    let inside = || {
        let _leave = Leave(IN_TEAM.replace(true));
        work();
    };
    if threads <= 1 || !TEAM.open(threads, &inside, hire) {
        work();
    }
}

/// Starts helpers until there are `wanted`; fewer if the system cannot start more threads.
fn hire(helpers: &mut usize, wanted: usize) {
    while *helpers < wanted {
        let thread = std::thread::Builder::new().name(format!("helper {}", *helpers + 1));
        let help = || while TEAM.serve(|| false) {};
        if thread.spawn(help).is_err() {
            return;
        }
        *helpers += 1;
    }
}

/// Calls `work` with every item, on all available threads, in no particular order. A thread claims one item at a time, so each
/// item should take at least some microseconds.
pub(crate) fn each<I: Iterator + Send>(items: I, work: impl Fn(I::Item) + Sync) {
    let threads = items.size_hint().0.min(count());
    if threads <= 1 {
        return items.for_each(work);
    }
    let items = Mutex::new(items);
    let claim = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    together(threads, &|| {
        while let Some(item) = claim() {
            work(item);
        }
    });
}

/// The number of threads on which kernels may run. One under Miri, which takes minutes to interpret rayon's pool.
pub(crate) fn count() -> usize {
    if cfg!(miri) { 1 } else { rayon::current_num_threads() }
}

/// Makes this thread a member of the global rayon pool, unless that pool is already in use or built.
///
/// Otherwise work that still uses the pool, such as the products of the `gemm` crate, would begin by waking a thread of the pool
/// and end by waiting until this thread is woken: tens of microseconds each. A pool of one thread is not joined, because other
/// users of the pool would wait for this thread.
pub(crate) fn join_pool() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A thread belongs to at most one pool: the attempt would leave the process without a global pool.
        let in_a_pool = rayon::current_thread_index().is_some();
        if !in_a_pool && expected_threads() > 1 && !cfg!(miri) {
            // An error means that the pool exists already, which is fine.
            let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
        }
    });
}

/// The number of threads that rayon will start, by rayon's own rule.
fn expected_threads() -> usize {
    let variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
    variable.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    /// Returns the number of calls of `each`'s work for each of 1000 items.
    fn counts() -> Vec<usize> {
        let counts: Vec<_> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        each(counts.iter(), |count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_item_is_worked_on_once() {
        for threads in 1..=5 {
            assert!(in_pool(threads, counts).iter().all(|n| *n == 1), "{threads} threads");
        }
    }

    #[test]
    fn items_may_have_items_and_several_threads_may_have_work_at_once() {
        let nested = || {
            let total = AtomicUsize::new(0);
            each(0..20, |_| {
                total.fetch_add(counts().len(), Ordering::Relaxed);
            });
            total.into_inner()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(move || in_pool(3, nested))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 20_000));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_next_region_works() {
        for unlucky in [0, 500, 999] {
            let panics = || each(0..1000, |i| assert!(i != unlucky, "item {i}"));
            assert!(in_pool(3, || std::panic::catch_unwind(panics)).is_err());
            assert!(in_pool(3, counts).iter().all(|n| *n == 1));
        }
    }
}
