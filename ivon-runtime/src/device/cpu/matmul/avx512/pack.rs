//! Copies operands to panels: `W` panel elements (rows of A, columns of B) of lane 0, then those of lane 1, and so on.

use super::kernel::{Kernel, Range, Source, first};
use std::arch::x86_64::*;

/// An operand, which knows the places of its elements: a matrix, or the patches of an image.
pub(crate) trait Operand: Copy + Sync {
    /// Packs the panel elements `at` (whole panels except the last) at the k steps `k` into panels of `W`, one after the other.
    /// Zeros fill the last panel and the last lane.
    ///
    /// # Safety
    /// The operand must have these elements. At `panels`, `at.count` rounded up to `W`, times `k.count` rounded up to `KN::K` and
    /// divided by it, elements must be writable. The machine must have the features of `KN`.
    unsafe fn pack<KN: Kernel, const W: usize>(self, panels: *mut f32, at: Range, k: Range);
}

/// A matrix with any strides, one of which is 1.
#[derive(Clone, Copy)]
pub(crate) struct View<S> {
    /// The first element.
    pub start: *const S,
    /// The distance between panel elements (rows of A, columns of B).
    pub panel_stride: usize,
    /// The distance between k steps.
    pub k_stride: usize,
}

// SAFETY: a view is only read.
unsafe impl<S> Sync for View<S> {}

impl<S: Source> Operand for View<S> {
    #[inline(always)]
    unsafe fn pack<KN: Kernel, const W: usize>(self, panels: *mut f32, at: Range, k: Range) {
        let start = self.start.wrapping_add(at.start * self.panel_stride + k.start * self.k_stride);
        // SAFETY: the pointers are those of elements that exist by the caller's contract.
        unsafe {
            if self.panel_stride == 1 {
                pack_across::<KN, S, W>(panels, at.count, k.count, |k, i| start.wrapping_add(k * self.k_stride + i));
            } else {
                let next_panel = W * self.panel_stride;
                pack_along::<KN, S, W>(panels, at.count, k.count, next_panel, |i| start.wrapping_add(i * self.panel_stride));
            }
        }
    }
}

/// Packs `n` panel elements, each contiguous along k from `element(i)`, with `steps` steps of k. A null element is zeros.
/// Prefetches the memory `ahead` elements further.
///
/// # Safety
/// Those of [`Operand::pack`].
#[inline(always)]
pub(crate) unsafe fn pack_along<KN: Kernel, S: Source, const W: usize>(
    panels: *mut f32,
    n: usize,
    steps: usize,
    ahead: usize,
    element: impl Fn(usize) -> *const S,
) {
    let lanes = steps.div_ceil(KN::K);
    for j in (0..n).step_by(W) {
        for i in (0..W).step_by(16) {
            let rows = n.saturating_sub(j + i).min(16);
            for lane in (0..lanes).step_by(16) {
                let k = lane * KN::K;
                // SAFETY: `element` points at `steps` elements, of which those from `k` on are read; prefetching is harmless. The
                // panel at `j` has `lanes * W` elements from `j * lanes` (j is a multiple of W), and lanes from `W` on are
                // masked.
                unsafe {
                    let mut block = [_mm512_setzero_si512(); 16];
                    for (r, row) in block.iter_mut().enumerate().take(rows) {
                        let p = element(j + i + r);
                        if !p.is_null() {
                            for line in 0..KN::K {
                                _mm_prefetch::<_MM_HINT_T0>(p.wrapping_add(k + ahead + 16 * line).cast());
                            }
                            *row = KN::along(p.wrapping_add(k), steps - k);
                        }
                    }
                    transpose(&mut block);
                    for (l, row) in block.iter().enumerate().take(lanes - lane) {
                        let to = panels.wrapping_add(j * lanes + (lane + l) * W + i);
                        _mm512_mask_storeu_epi32(to.cast(), first(W - i), *row);
                    }
                }
            }
        }
    }
}

/// Packs `n` panel elements, contiguous along the panel axis: element `i` of step `k` is at `element(k, i)`. `element` is called
/// once for every panel, and returns null for zeros.
///
/// # Safety
/// Those of [`Operand::pack`].
#[inline(always)]
pub(crate) unsafe fn pack_across<KN: Kernel, S: Source, const W: usize>(
    panels: *mut f32,
    n: usize,
    steps: usize,
    element: impl Fn(usize, usize) -> *const S,
) {
    /// Lanes that are packed for all panels before the next ones. The same lanes of two panels lie a multiple of the cache's
    /// period apart and would evict each other, and reading a row loads elements beyond one panel.
    const LANES: usize = 32;
    let lanes = steps.div_ceil(KN::K);
    for start in (0..lanes).step_by(LANES) {
        for j in (0..n).step_by(W) {
            for lane in start..lanes.min(start + LANES) {
                let k = lane * KN::K;
                let second = if KN::K > 1 && k + 1 < steps { element(k + 1, j) } else { std::ptr::null() };
                let rows = [element(k, j), second];
                for i in (0..W).step_by(16) {
                    let rows = rows.map(|p| if p.is_null() { p } else { p.wrapping_add(i) });
                    let to = panels.wrapping_add(j * lanes + lane * W + i);
                    // SAFETY: elements from `n` on are masked and not read. The panel at `j` has `lanes * W` elements from
                    // `j * lanes` (j is a multiple of W), and lanes from `W` on are masked.
                    unsafe {
                        let row = KN::across(rows, first(n.saturating_sub(j + i)));
                        _mm512_mask_storeu_epi32(to.cast(), first(W - i), row);
                    }
                }
            }
        }
    }
}

/// Transposes a block of 16 x 16 lanes in four steps: on pairs of rows, of pairs, of fours and of eights.
///
/// # Safety
/// The machine must have AVX-512.
#[inline(always)]
unsafe fn transpose(r: &mut [__m512i; 16]) {
    // SAFETY: arithmetic on registers only.
    unsafe {
        let mut t = *r;
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..4 {
            for h in 0..2 {
                r[4 * i + 2 * h] = _mm512_unpacklo_epi64(t[4 * i + h], t[4 * i + h + 2]);
                r[4 * i + 2 * h + 1] = _mm512_unpackhi_epi64(t[4 * i + h], t[4 * i + h + 2]);
            }
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_i32x4::<0x88>(r[i], r[i + 4]);
            t[i + 4] = _mm512_shuffle_i32x4::<0xdd>(r[i], r[i + 4]);
            t[i + 8] = _mm512_shuffle_i32x4::<0x88>(r[i + 8], r[i + 12]);
            t[i + 12] = _mm512_shuffle_i32x4::<0xdd>(r[i + 8], r[i + 12]);
        }
        for i in 0..8 {
            r[i] = _mm512_shuffle_i32x4::<0x88>(t[i], t[i + 8]);
            r[i + 8] = _mm512_shuffle_i32x4::<0xdd>(t[i], t[i + 8]);
        }
    }
}

/// Interleaves the two halves of 32 numbers of 16 bits, which makes 16 pairs: 0 16 1 17 2 18 ...
///
/// # Safety
/// The machine must have AVX-512BW.
#[inline(always)]
pub(super) unsafe fn interleave(halves: __m512i) -> __m512i {
    const PAIRS: [u16; 32] = {
        let mut pairs = [0; 32];
        let mut i = 0;
        while i < 32 {
            pairs[i] = (i / 2 + 16 * (i % 2)) as u16;
            i += 1;
        }
        pairs
    };
    // SAFETY: 512 bits of integers both; arithmetic on registers only.
    unsafe { _mm512_permutexvar_epi16(std::mem::transmute::<[u16; 32], __m512i>(PAIRS), halves) }
}
