//! Work in stages, without barriers.
//!
//! Tasks are numbered over all stages and taken in order from one counter. A task runs when all tasks of earlier stages have
//! finished. It waits only for tasks with smaller numbers, which running threads have taken, so the work progresses with any
//! number of threads, even if no helper joins. The thread that runs a task is arbitrary, so a result must depend on the task
//! alone.

use crate::device::cpu::threads::{AtomicUsize, Gate, together};
use std::sync::atomic::Ordering;

/// Set in the count of finished tasks when a task has panicked.
const PANICKED: usize = 1 << (usize::BITS - 1);

/// The number of threads worth waking for this many multiply-adds: one thread for every few microseconds of work.
pub(crate) fn threads_for(multiply_adds: usize) -> usize {
    const FOR_ONE: usize = 1 << 19;
    (1 + multiply_adds / FOR_ONE).min(crate::device::cpu::threads::count())
}

/// Runs `task(stage, i)` for `i` in `0..tasks(stage)` and `stage` in `0..stages`, on up to `threads` threads. A stage begins when
/// the previous one has finished. Returns when all stages have finished.
pub(crate) fn run_stages(
    threads: usize,
    stages: usize,
    tasks: impl Fn(usize) -> usize + Sync,
    task: impl Fn(usize, usize) + Sync,
) {
    if threads <= 1 {
        (0..stages).for_each(|stage| (0..tasks(stage)).for_each(|i| task(stage, i)));
        return;
    }
    let (next, finished, progress) = (AtomicUsize::new(0), AtomicUsize::new(0), Gate::new());
    together(threads, &|| {
        let (mut stage, mut start) = (0, 0);
        let mut end = if stages == 0 { return } else { tasks(0) };
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            while number >= end {
                stage += 1;
                if stage >= stages {
                    return;
                }
                (start, end) = (end, end + tasks(stage));
            }
            // The count reaches `start` only when all tasks of the earlier stages have finished: no task of this stage is counted
            // before.
            progress.wait_until(|| finished.load(Ordering::SeqCst) >= start);
            assert!(finished.load(Ordering::Relaxed) & PANICKED == 0, "a task on another thread panicked");
            let guard = Guard(&finished, &progress);
            task(stage, number - start);
            std::mem::forget(guard);
            if finished.fetch_add(1, Ordering::SeqCst) + 1 == end {
                progress.wake(threads);
            }
        }
    });
}

/// Releases the waiting threads when a task panics.
struct Guard<'a>(&'a AtomicUsize, &'a Gate);
impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(PANICKED, Ordering::SeqCst);
        self.1.wake(usize::MAX);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rayon::prelude::*;
    use std::sync::atomic::AtomicBool;

    fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    /// Every task runs once, and after all tasks of the previous stage. More threads are requested than exist.
    fn stages_run_in_order() {
        const TASKS: [usize; 4] = [3, 0, 40, 7];
        let counts = TASKS.map(|_| AtomicUsize::new(0));
        let early = AtomicBool::new(false);
        run_stages(
            5,
            TASKS.len(),
            |stage| TASKS[stage],
            |stage, _| {
                let complete = (0..stage).all(|s| counts[s].load(Ordering::SeqCst) == TASKS[s]);
                early.fetch_or(!complete, Ordering::SeqCst);
                counts[stage].fetch_add(1, Ordering::SeqCst);
            },
        );
        assert!(!early.into_inner(), "a task ran before the stage before it had finished");
        assert_eq!(counts.map(AtomicUsize::into_inner), TASKS);
    }

    #[test]
    fn stages_run_in_order_on_any_pool() {
        stages_run_in_order();
        for threads in 1..=4 {
            in_pool(threads, stages_run_in_order);
        }
    }

    #[test]
    fn stages_run_inside_of_rayon_tasks_that_occupy_every_thread() {
        in_pool(3, || (0..64).into_par_iter().for_each(|_| stages_run_in_order()));
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let run = || run_stages(3, 2, |_| 8, |stage, i| assert!((stage, i) != (0, 5), "task 5"));
        let result = in_pool(3, || std::panic::catch_unwind(run));
        assert!(result.is_err());
    }
}
