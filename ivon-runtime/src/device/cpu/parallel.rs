//! Splits work by shape alone, so that results do not depend on the number of threads.

use crate::device::cpu::threads::each;

/// Elements per task of elementwise work: worth the cost of a task, and small enough for a core's cache.
pub const CHUNK: usize = 16 * 1024;

/// Calls `work` with the index of every piece of `y` and the piece, on all threads. A single piece runs on this thread.
pub fn pieces<T: Send>(y: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if y.len() <= length {
        if !y.is_empty() {
            work(0, y);
        }
    } else {
        each(y.chunks_mut(length).enumerate(), |(i, y)| work(i, y));
    }
}

/// Like [`pieces`], for two slices with their own lengths of a piece. Both must have the same number of pieces.
pub fn pieces2<T: Send, U: Send>(y: (&mut [T], usize), z: (&mut [U], usize), work: impl Fn(usize, &mut [T], &mut [U]) + Sync) {
    debug_assert_eq!(y.0.len().div_ceil(y.1), z.0.len().div_ceil(z.1));
    if y.0.len() <= y.1 {
        if !y.0.is_empty() {
            work(0, y.0, z.0);
        }
    } else {
        each(y.0.chunks_mut(y.1).zip(z.0.chunks_mut(z.1)).enumerate(), |(i, (y, z))| work(i, y, z));
    }
}

/// The number of rows of this width per task.
pub fn rows_a_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
