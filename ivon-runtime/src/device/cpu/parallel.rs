//! Work cut by shape, never by the number of threads, so that results do not depend on it.

use crate::device::cpu::threads::each;

/// Elements a task of elementwise work: enough to be worth a task, few enough for a core's cache.
pub const CHUNK: usize = 16 * 1024;

/// Calls `work` with every piece of `y` and its number, on all threads; a single piece stays on this one.
pub fn pieces<T: Send>(y: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if y.len() <= length {
        if !y.is_empty() {
            work(0, y);
        }
    } else {
        each(y.chunks_mut(length).enumerate(), |(i, y)| work(i, y));
    }
}

/// [`pieces`] of two slices side by side, each with its own length of a piece; there are as many of the one as of the other.
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

/// The number of rows of this width in a task.
pub fn rows_a_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
