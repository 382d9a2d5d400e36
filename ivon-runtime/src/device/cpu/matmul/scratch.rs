//! Packing buffers: one of each kind per thread, kept between calls.

use std::cell::RefCell;

/// The kinds of a thread's buffers. A task may use one of each at a time.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    /// Packed once and read by all threads.
    Shared,
    /// A thread's own panels of A.
    Left,
    /// A thread's own panels of B.
    Right,
}

thread_local!(static BUFFERS: RefCell<[Vec<f32>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) });

/// f32 elements of a cache line.
const LINE: usize = 16;

/// Calls `f` with a buffer of `n` elements, aligned to a cache line, with undefined content.
///
/// The buffer is taken out of its place meanwhile. If this thread calls the function again before `f` returns, because it steals
/// work while it waits, it gets another buffer.
pub(crate) fn with<R>(buffer: Buffer, n: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let place = buffer as usize;
    let mut memory = BUFFERS.with(|b| std::mem::take(&mut b.borrow_mut()[place]));
    if memory.len() < n + LINE {
        memory = vec![0.0; n + LINE];
    }
    let start = memory.as_ptr().align_offset(4 * LINE).min(LINE);
    let result = f(&mut memory[start..start + n]);
    BUFFERS.with(|b| {
        let kept = &mut b.borrow_mut()[place];
        if kept.len() < memory.len() {
            *kept = memory;
        }
    });
    result
}
