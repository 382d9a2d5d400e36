//! The microkernel: a tile of C, up to 12 rows x 32 columns, in registers.

use super::pack::{Operand, interleave};
use std::arch::x86_64::*;

/// Rows of a tile: 12 x 2 accumulators, 2 vectors of B and one broadcast element of A use 27 of the 32 registers. (14 rows, and 8
/// x 48, were 3 to 17 % slower.)
pub(super) const MR: usize = 12;
/// Vectors in a row of a tile.
const NV: usize = 2;
/// Columns of a tile.
pub(super) const NR: usize = NV * 16;

/// A precision: the way in which lanes are made of f32 and multiplied.
pub(crate) trait Kernel {
    /// k steps per lane.
    const K: usize;
    /// Lanes in a block of k: a panel of B then has 32 KiB and stays in the first-level cache.
    const BLOCK: usize = 256;

    /// Loads 16 lanes of neighbouring panel elements, of which `keep` exist, at the `K` rows of k. A null row stands for zeros.
    ///
    /// # Safety
    /// The kept elements of non-null rows must be readable. The machine must have the features.
    unsafe fn across<S: Source>(rows: [*const S; 2], keep: __mmask16) -> __m512i;
    /// Loads up to 16 lanes of `steps` neighbouring k steps. The remaining lanes are zero.
    ///
    /// # Safety
    /// `steps` elements (at most 16 `K`) must be readable. The machine must have the features.
    unsafe fn along<S: Source>(p: *const S, steps: usize) -> __m512i;
    /// [`Operand::pack`], compiled with the features.
    ///
    /// # Safety
    /// Those of [`Operand::pack`]. The machine must have the features.
    unsafe fn pack<O: Operand, const W: usize>(operand: O, panels: *mut f32, at: Range, k: Range);
    /// C = old + A B for `rows` of a tile.
    ///
    /// # Safety
    /// The contract of [`Tile`], for `rows` in `1..=MR`. The machine must have the features.
    unsafe fn tile(rows: usize, tile: Tile);
}

/// `count` steps of an axis from `start` on.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub start: usize,
    pub count: usize,
}

/// A product of two panels.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// The number of lanes of the panels.
    pub lanes: usize,
    /// `lanes * MR` elements are readable here, for every number of rows.
    pub a: *const f32,
    /// `lanes * NR` elements are readable here.
    pub b: *const f32,
    /// The elements of `columns` are readable and writable here, in every row.
    pub c: *mut f32,
    /// The distance between rows of C, in elements.
    pub row_stride: usize,
    /// Masks of the columns of C that exist.
    pub columns: [__mmask16; NV],
    /// The summand. The elements of `columns` are readable there, in every row.
    pub old: Old,
}

/// The summand of a product: row `i` begins at `start + i * row_stride`. Zeros if `start` is null.
#[derive(Clone, Copy)]
pub(crate) struct Old {
    pub start: *const f32,
    pub row_stride: usize,
}

// SAFETY: an `Old` only points to memory that is read; the code that makes one ensures that it may be read.
unsafe impl Sync for Old {}

impl Old {
    pub const NONE: Old = Old { start: std::ptr::null(), row_stride: 0 };

    /// Returns the summand from this row and column on.
    pub fn at(self, row: usize, column: usize) -> Old {
        match self.start.is_null() {
            true => self,
            false => Old { start: self.start.wrapping_add(row * self.row_stride + column), ..self },
        }
    }
}

/// The mask of the first `n` of 16 lanes.
#[inline(always)]
pub(super) fn first(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as u16
}

/// The masks of the first `n` columns of a tile.
pub(super) fn columns(n: usize) -> [__mmask16; NV] {
    std::array::from_fn(|v| first(n.saturating_sub(16 * v)))
}

/// The types of operands in memory: f32 or bf16.
pub(crate) trait Source: Copy {
    /// Loads 16 elements as f32. Elements outside of `keep` are zero, and all are zero if `p` is null.
    ///
    /// # Safety
    /// The kept elements must be readable unless `p` is null. The machine must have AVX-512BW and VL.
    unsafe fn load(p: *const Self, keep: __mmask16) -> __m512;
    /// Loads two times 16 elements, each as in [`Source::load`], and converts them to bf16: first those of `first`, then those of
    /// `second`.
    ///
    /// # Safety
    /// Those of [`Source::load`], for both. The machine must have AVX512-BF16.
    unsafe fn halves(first: (*const Self, __mmask16), second: (*const Self, __mmask16)) -> __m512i;
}

impl Source for f32 {
    #[inline(always)]
    unsafe fn load(p: *const f32, keep: __mmask16) -> __m512 {
        // SAFETY: masked lanes are not accessed, and all lanes are masked if the pointer is null.
        unsafe { _mm512_maskz_loadu_ps(if p.is_null() { 0 } else { keep }, p) }
    }

    #[inline(always)]
    unsafe fn halves(first: (*const f32, __mmask16), second: (*const f32, __mmask16)) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe { bits(_mm512_cvtne2ps_pbh(f32::load(second.0, second.1), f32::load(first.0, first.1))) }
    }
}

/// # Safety
/// Those of [`Source::load`].
#[inline(always)]
unsafe fn load_bf16(p: *const half::bf16, keep: __mmask16) -> __m256i {
    // SAFETY: masked lanes are not accessed, and all lanes are masked if the pointer is null.
    unsafe { _mm256_maskz_loadu_epi16(if p.is_null() { 0 } else { keep }, p.cast()) }
}

impl Source for half::bf16 {
    #[inline(always)]
    unsafe fn load(p: *const half::bf16, keep: __mmask16) -> __m512 {
        // SAFETY: the caller upholds this function's contract. A bf16 is the upper half of an f32.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(load_bf16(p, keep)))) }
    }

    #[inline(always)]
    unsafe fn halves(first: (*const half::bf16, __mmask16), second: (*const half::bf16, __mmask16)) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            let (first, second) = (load_bf16(first.0, first.1), load_bf16(second.0, second.1));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
        }
    }
}

macro_rules! microkernel {
    ($name:ident, $features:literal, |$sum:ident, $a:ident, $b:ident| $multiply_add:expr) => {
        /// # Safety
        /// Those of [`Kernel::tile`], for `M` rows.
        #[target_feature(enable = $features)]
        unsafe fn $name<const M: usize>(t: Tile) {
            let mut sums = [[_mm512_setzero_ps(); NV]; M];
            // SAFETY: both panels have `lanes` steps, of MR >= M and NR elements. Row `i` of C holds its columns at
            // `c + i * row_stride`, and masked lanes are not accessed. Prefetching is harmless at any address.
            unsafe {
                for row in 0..M {
                    let c = t.c.wrapping_add(row * t.row_stride);
                    _mm_prefetch::<_MM_HINT_T0>(c.cast());
                    _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(16).cast());
                }
                let (mut a, mut b) = (t.a, t.b);
                for _ in 0..t.lanes {
                    let bs: [__m512; NV] = std::array::from_fn(|j| _mm512_loadu_ps(b.add(16 * j)));
                    for row in 0..M {
                        let $a = _mm512_set1_ps(*a.add(row));
                        for j in 0..NV {
                            let ($sum, $b) = (sums[row][j], bs[j]);
                            sums[row][j] = $multiply_add;
                        }
                    }
                    (a, b) = (a.wrapping_add(MR), b.wrapping_add(NR));
                }
                for (row, sums) in sums.iter().enumerate() {
                    for (j, &sum) in sums.iter().enumerate() {
                        let c = t.c.wrapping_add(row * t.row_stride + 16 * j);
                        let old = t.old.at(row, 16 * j).start;
                        let old = if old.is_null() { _mm512_setzero_ps() } else { _mm512_maskz_loadu_ps(t.columns[j], old) };
                        _mm512_mask_storeu_ps(c, t.columns[j], _mm512_add_ps(old, sum));
                    }
                }
            }
        }
    };
}
microkernel!(tile_f32, "avx512f", |sum, a, b| _mm512_fmadd_ps(a, b, sum));
microkernel!(tile_bf16, "avx512f,avx512bf16", |sum, a, b| _mm512_dpbf16_ps(sum, pairs(a), pairs(b)));

/// The same bits as pairs of bf16.
#[inline(always)]
pub(super) fn pairs(lanes: __m512) -> __m512bh {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(lanes) }
}

/// Rounds numbers to bf16, to the nearest, ties to even.
///
/// # Safety
/// The machine must have AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn round(from: &[f32], to: &mut [half::bf16]) {
    for (from, to) in from.chunks(32).zip(to.chunks_mut(32)) {
        let n = from.len().min(to.len());
        // SAFETY: the first `n` elements of both exist, and the others are masked.
        unsafe {
            let second = from.as_ptr().wrapping_add(16);
            let halves = f32::halves((from.as_ptr(), first(n)), (second, first(n.saturating_sub(16))));
            _mm512_mask_storeu_epi16(to.as_mut_ptr().cast(), u32::MAX >> (32 - n), halves);
        }
    }
}

/// The same bits as integers.
#[inline(always)]
fn bits(pairs: __m512bh) -> __m512i {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(pairs) }
}

macro_rules! by_rows {
    ($rows:expr, $tile:ident($t:expr), $($m:literal)*) => {
        // SAFETY: the caller upholds this function's contract, for `$m` rows.
        unsafe {
            match $rows { $($m => $tile::<$m>($t),)* rows => unreachable!("a tile of {rows} rows") }
        }
    };
}

/// f32 lanes.
pub(crate) struct F32;

impl Kernel for F32 {
    const K: usize = 1;

    #[inline(always)]
    unsafe fn across<S: Source>(rows: [*const S; 2], keep: __mmask16) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe { _mm512_castps_si512(S::load(rows[0], keep)) }
    }

    #[inline(always)]
    unsafe fn along<S: Source>(p: *const S, steps: usize) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe { _mm512_castps_si512(S::load(p, first(steps))) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    unsafe fn pack<O: Operand, const W: usize>(operand: O, panels: *mut f32, at: Range, k: Range) {
        // SAFETY: the caller upholds this function's contract.
        unsafe { operand.pack::<F32, W>(panels, at, k) }
    }

    unsafe fn tile(rows: usize, tile: Tile) {
        by_rows!(rows, tile_f32(tile), 1 2 3 4 5 6 7 8 9 10 11 12)
    }
}

/// Lanes of two bf16, rounded to the nearest (ties to even); sums in f32.
pub(crate) struct Bf16;

impl Kernel for Bf16 {
    const K: usize = 2;

    #[inline(always)]
    unsafe fn across<S: Source>(rows: [*const S; 2], keep: __mmask16) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe { interleave(S::halves((rows[0], keep), (rows[1], keep))) }
    }

    #[inline(always)]
    unsafe fn along<S: Source>(p: *const S, steps: usize) -> __m512i {
        // SAFETY: the caller upholds this function's contract.
        unsafe { S::halves((p, first(steps)), (p.wrapping_add(16), first(steps.saturating_sub(16)))) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn pack<O: Operand, const W: usize>(operand: O, panels: *mut f32, at: Range, k: Range) {
        // SAFETY: the caller upholds this function's contract.
        unsafe { operand.pack::<Bf16, W>(panels, at, k) }
    }

    unsafe fn tile(rows: usize, tile: Tile) {
        by_rows!(rows, tile_bf16(tile), 1 2 3 4 5 6 7 8 9 10 11 12)
    }
}
