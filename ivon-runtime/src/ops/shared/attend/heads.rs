//! The layout of heads in the tensors, and how threads share them.

use super::tile::{BLOCK, NARROW, WIDE};
use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::shape::Shape;
use crate::device::cpu::matmul::Precision;
use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Level, level};
use crate::device::cpu::threads::each;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The dimensions.
#[derive(Clone, Copy)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub heads: usize,
    pub length: usize,
    pub size: usize,
    pub causal: bool,
}

impl Geometry {
    /// Returns the dimensions of `qkv` \[B, T, 3 · HEADS · SIZE\].
    pub fn of(qkv: &Shape, heads: usize, causal: bool) -> Geometry {
        Geometry { batch: qkv[0], heads, length: qkv[1], size: qkv[2] / (3 * heads), causal }
    }

    /// So many products of queries and keys, or of weights and values, for every pair of a query and a key that it sees, and 5 operations for
    /// its weight in the softmax.
    pub fn cost(&self, cx: &Context, products: usize) -> Cost {
        let seen = if self.causal { self.length * (self.length + 1) / 2 } else { self.length * self.length };
        let pairs = self.batch * self.heads * seen;
        // The CPU multiplies in f32 whatever the precision of other products.
        let precision = if cx.dtype() == DType::Bf16 { Precision::Bf16 } else { Precision::F32 };
        let mut cost = Cost::product(precision, [pairs, products, self.size]);
        cost += Cost::flops(5 * pairs);
        cost
    }

    /// T in whole blocks.
    pub fn padded_length(&self) -> usize {
        self.length.next_multiple_of(BLOCK)
    }

    /// Columns of a register tile of outputs.
    pub fn columns(&self) -> usize {
        if self.size <= NARROW || level() < Level::Avx512 { NARROW } else { WIDE }
    }

    /// SIZE in whole register tiles.
    pub fn padded_size(&self) -> usize {
        self.size.next_multiple_of(self.columns())
    }

    /// Elements of q, k or v of one head, packed with padding.
    pub fn packed(&self) -> usize {
        self.padded_length() * self.padded_size()
    }

    /// 1 / sqrt(SIZE).
    pub fn scale(&self) -> f64 {
        1.0 / (self.size as f64).sqrt()
    }

    /// Returns the range in `qkv` of query (0), key (1) or value (2) `t` of a head; `head` counts through the batch.
    pub fn qkv(&self, part: usize, head: usize, t: usize) -> Range<usize> {
        let (b, h) = (head / self.heads, head % self.heads);
        let start = (((b * self.length + t) * 3 + part) * self.heads + h) * self.size;
        start..start + self.size
    }

    /// Returns the range in the output of row `t` of a head.
    pub fn output(&self, head: usize, t: usize) -> Range<usize> {
        let (b, h) = (head / self.heads, head % self.heads);
        let start = ((b * self.length + t) * self.heads + h) * self.size;
        start..start + self.size
    }

    /// Workspaces: one a thread.
    pub fn slots(&self) -> usize {
        (self.batch * self.heads).min(crate::device::cpu::threads::count())
    }

    /// Calls `work` for every head, each with the workspace of the thread that took it.
    pub fn for_each_head<E: Real>(&self, workspace: &mut [E], work: impl Fn(usize, &mut [E]) + Sync) {
        let (heads, slots) = (self.batch * self.heads, self.slots());
        if heads == 0 || self.length == 0 || self.size == 0 {
            return;
        }
        let next = AtomicUsize::new(0);
        let slot = workspace.len() / slots;
        each(workspace.chunks_mut(slot), |workspace| {
            loop {
                let head = next.fetch_add(1, Ordering::Relaxed);
                if head >= heads {
                    break;
                }
                work(head, workspace);
            }
        });
    }

    /// Packs one part of a head row by row, \[T, SIZE\] with padding, times a factor. `from` says where row t lies.
    #[inline(always)]
    pub fn pack_rows<E: Real>(&self, x: &[E], from: impl Fn(usize) -> Range<usize>, factor: E, packed: &mut [E]) {
        let (rows, padding) = packed.split_at_mut(self.length * self.padded_size());
        padding.fill(E::default());
        for (t, row) in rows.chunks_exact_mut(self.padded_size()).enumerate() {
            let (row, padding) = row.split_at_mut(self.size);
            padding.fill(E::default());
            for (to, x) in row.iter_mut().zip(&x[from(t)]) {
                *to = *x * factor;
            }
        }
    }

    /// Packs one part of a head transposed, \[T / BLOCK, SIZE, BLOCK\] with padding.
    #[inline(always)]
    pub fn pack_columns<E: Real>(&self, x: &[E], from: impl Fn(usize) -> Range<usize>, packed: &mut [E]) {
        for (block, packed) in packed.chunks_exact_mut(self.size * BLOCK).enumerate() {
            let there = BLOCK.min(self.length - block * BLOCK);
            if there < BLOCK {
                packed.fill(E::default());
            }
            for j in 0..there {
                for (to, x) in packed[j..].iter_mut().step_by(BLOCK).zip(&x[from(block * BLOCK + j)]) {
                    *to = *x;
                }
            }
        }
    }
}

/// A slice that threads write to in different places.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut<'a, E> {
    pointer: *mut E,
    length: usize,
    slice: PhantomData<&'a mut [E]>,
}

// SAFETY: it stands for a `&mut [E]`, which may be sent where E may.
unsafe impl<E: Send> Send for SharedMut<'_, E> {}
// SAFETY: a shared one gives access to the elements by `get` alone, whose callers keep apart what is held at the same time: so each element is used by
// one thread at a time, as if it had been sent there.
unsafe impl<E: Send> Sync for SharedMut<'_, E> {}

impl<'a, E> SharedMut<'a, E> {
    pub fn new(slice: &'a mut [E]) -> Self {
        SharedMut { pointer: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// No two parts that are held at the same time may overlap.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub unsafe fn get(&self, range: Range<usize>) -> &'a mut [E] {
        assert!(range.start <= range.end && range.end <= self.length);
        // SAFETY: the range lies inside the slice that this was made of, by the assertion, and that slice is borrowed mutably for 'a. No other part that
        // is held overlaps it, by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(range.start), range.len()) }
    }
}
