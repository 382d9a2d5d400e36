//! The one product that all of attention is made of, in registers. Each sum runs in a fixed order, whatever the tile.

use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Instructions, Level, level, multiply_add};
use crate::versions;

/// Queries, and keys, a block.
pub(crate) const BLOCK: usize = 64;
/// Rows of a register tile.
const ROWS: usize = 4;
/// Columns of a register tile: 64 fill half of the registers of AVX-512, 16 those of AVX2. The numbers between are worse: LLVM
/// unrolls their loops before it could vectorise them.
pub(crate) const WIDE: usize = 64;
pub(crate) const NARROW: usize = 16;

/// A block of scores.
pub(crate) type Scores<E> = [[E; BLOCK]; BLOCK];

/// Element (i, k) of an operand is `data[i * row + k * step]`.
#[derive(Clone, Copy)]
struct Left<'a, E> {
    data: &'a [E],
    row: usize,
    step: usize,
}

/// C\[i, j\] = sum over k < depth of A\[i, k\] B\[k, j\], or += it, for [`ROWS`] rows i and `W` columns j; the sums run in the order
/// of k. B and C are row-major with the given distance of rows.
#[inline(always)]
fn product<Set: Instructions, E: Real, const W: usize>(
    depth: usize,
    a: Left<E>,
    (b, b_row): (&[E], usize),
    (c, c_row): (&mut [E], usize),
    add: bool,
) {
    assert!((ROWS - 1) * a.row + (depth - 1) * a.step < a.data.len());
    assert!((depth - 1) * b_row + W <= b.len());
    let mut sums = [[E::default(); W]; ROWS];
    if add {
        for i in 0..ROWS {
            sums[i].copy_from_slice(&c[i * c_row..][..W]);
        }
    }
    for k in 0..depth {
        // SAFETY: the row ends at k * b_row + W, at most the length that was asserted above.
        let b = unsafe { &*b.as_ptr().add(k * b_row).cast::<[E; W]>() };
        for i in 0..ROWS {
            // SAFETY: i < ROWS and k < depth, so the index is at most the one that was asserted above.
            let x = unsafe { *a.data.get_unchecked(i * a.row + k * a.step) };
            for j in 0..W {
                sums[i][j] = multiply_add::<Set, E>(x, b[j], sums[i][j]);
            }
        }
    }
    for i in 0..ROWS {
        c[i * c_row..][..W].copy_from_slice(&sums[i]);
    }
}

/// scores = A B for a block of queries (or keys), row-major with distance `row`, and a transposed block of keys (or queries),
/// \[size, BLOCK\].
pub(crate) fn scores<E: Real>(a: &[E], row: usize, b: &[E], size: usize, scores: &mut Scores<E>) {
    match level() {
        Level::Avx512 => scores_by::<E, WIDE>(a, row, b, size, scores),
        _ => scores_by::<E, NARROW>(a, row, b, size, scores),
    }
}

versions! {
    fn scores_by<{E: Real, const W: usize} {E, W}>(a: &[E], row: usize, b: &[E], size: usize, scores: &mut Scores<E>) {
        let scores = scores.as_flattened_mut();
        for i in (0..BLOCK).step_by(ROWS) {
            for j in (0..BLOCK).step_by(W) {
                let left = Left { data: &a[i * row..], row, step: 1 };
                product::<Set, E, W>(size, left, (&b[j..], BLOCK), (&mut scores[i * BLOCK + j..], BLOCK), false);
            }
        }
    }
}

versions! {
    /// C += A B for a block of rows of C, \[BLOCK, columns\]: A is a block of scores or its transpose, B \[BLOCK, columns\].
    pub(crate) fn weigh<{E: Real, const W: usize} {E, W}>(weights: &Scores<E>, transposed: bool, b: &[E], columns: usize, c: &mut [E]) {
        let weights = weights.as_flattened();
        let (row, step) = if transposed { (1, BLOCK) } else { (BLOCK, 1) };
        for i in (0..BLOCK).step_by(ROWS) {
            for j in (0..columns).step_by(W) {
                let left = Left { data: &weights[i * row..], row, step };
                product::<Set, E, W>(BLOCK, left, (&b[j..], columns), (&mut c[i * columns + j..], columns), true);
            }
        }
    }
}

/// Which block of scores: its first query, its first key, and the number of both.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub first: usize,
    pub first_key: usize,
    pub length: usize,
    pub causal: bool,
}

impl Block {
    /// The number of keys of the block, from its first, that query `i` of the block sees.
    #[inline(always)]
    pub fn visible(&self, i: usize) -> usize {
        let end = if self.causal { (self.first + i + 1).min(self.length) } else { self.length };
        end.saturating_sub(self.first_key).min(BLOCK)
    }

    /// The number of queries of the block, from its first, that do not see key `j` of the block.
    #[inline(always)]
    pub fn unseen_by(&self, j: usize) -> usize {
        let key = self.first_key + j;
        match (key < self.length, self.causal) {
            (false, _) => BLOCK,
            (true, true) => key.saturating_sub(self.first).min(BLOCK),
            (true, false) => 0,
        }
    }
}
