//! The threads that kernels run on: the global rayon pool, with the thread that computes as one of it.

use std::sync::Once;

/// Makes this thread one of the global rayon pool, if nobody has used or built that pool before.
///
/// Otherwise every kernel would begin by waking a thread of the pool and end by waiting until this one is woken: tens of microseconds
/// each, as much as a small layer's arithmetic. A pool of one thread is left alone, because others that use it would wait for this one.
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
