//! The threads that kernels run on: the one that computes, and helpers that join it while it runs a region.
//!
//! Work is cut by shape and claimed piece by piece, so that a thread that the machine does not run takes nothing, and nobody waits for it;
//! results depend on the cut alone. Whoever has to wait spins for some microseconds and then sleeps until woken. Nobody yields: on a machine with
//! more runnable threads than processors that gives a whole turn away, milliseconds of it, while a sleeper comes back soon after its wake-up.
//!
//! How many threads there are is the current rayon pool's number, which `--threads`, `RAYON_NUM_THREADS` and tests set.

mod gate;
mod team;

pub(crate) use gate::Gate;
pub(crate) use team::{in_team, together};

use std::sync::{Mutex, Once, PoisonError};

/// Calls `work` with every item, on as many threads as there are, in no order. A thread claims one item at a time, so that each should
/// be worth some microseconds.
pub(crate) fn each<I: Iterator + Send>(items: I, work: impl Fn(I::Item) + Sync) {
    let threads = items.size_hint().0.min(rayon::current_num_threads());
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

/// Makes this thread one of the global rayon pool, if nobody has used or built that pool before.
///
/// Otherwise what still runs there, the products of the `gemm` crate above all, would begin by waking a thread of the pool and end by waiting
/// until this one is woken: tens of microseconds each. A pool of one thread is left alone, because others that use it would wait for this one.
pub(crate) fn join_pool() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A thread belongs to one pool at most: the attempt would leave the process without a global one.
        let in_a_pool = rayon::current_thread_index().is_some();
        if !in_a_pool && expected_threads() > 1 {
            // An error says that there is a pool already, which is fine.
            let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
        }
    });
}

/// How many threads rayon will start: by its own rule.
fn expected_threads() -> usize {
    let variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
    variable.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
