//! One pass over flat buffers: chunks of a fixed size, so that the bits do not depend on the number of threads, each cut into
//! the parameters it holds.

use crate::context::flat::{Flat, Layout};
use crate::core::dtype::{DType, Element};
use crate::core::error::Result;
use crate::device::cpu::threads::each;
use crate::versions;
use half::bf16;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Elements of a flat buffer that one thread works through at a time: 64 KiB of each buffer.
pub(crate) const CHUNK: usize = 1 << 14;

/// Elements of an inner loop: a group of the noise.
pub(crate) const GROUP: usize = crate::tensor::noise::GROUP;

/// The types that weights and gradients come in.
pub(crate) trait Compute: Element {
    /// The type of the gradients of such weights: that of [`DType::sums`](crate::core::dtype::DType::sums).
    type Gradient: Compute;
    /// True if it holds every f32.
    const EXACT: bool = true;

    fn of(x: f32) -> Self;
    fn f32(self) -> f32;
}

impl Compute for f32 {
    type Gradient = f32;

    #[inline(always)]
    fn of(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn f32(self) -> f32 {
        self
    }
}

impl Compute for f64 {
    type Gradient = f64;

    #[inline(always)]
    fn of(x: f32) -> f64 {
        x as f64
    }
    #[inline(always)]
    fn f32(self) -> f32 {
        self as f32
    }
}

impl Compute for bf16 {
    type Gradient = f32;
    const EXACT: bool = false;

    /// To the nearest, ties to even; without branches, so that it vectorises.
    #[inline(always)]
    fn of(x: f32) -> bf16 {
        let bits = x.to_bits();
        let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
        bf16::from_bits(if x.is_nan() { bf16::NAN.to_bits() } else { rounded })
    }
    #[inline(always)]
    fn f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

/// One or several buffers of the same length, which are cut at the same places.
pub(crate) trait Buffers: Send {
    /// Takes the first `n` elements away; an empty buffer stays empty.
    fn first(&mut self, n: usize) -> Self;
}

impl<T: Sync> Buffers for &[T] {
    fn first(&mut self, n: usize) -> Self {
        self.split_off(..n).unwrap_or_default()
    }
}

impl<T: Send> Buffers for &mut [T] {
    fn first(&mut self, n: usize) -> Self {
        self.split_off_mut(..n).unwrap_or_default()
    }
}

impl<B: Buffers, const N: usize> Buffers for [B; N] {
    fn first(&mut self, n: usize) -> Self {
        self.each_mut().map(|buffer| buffer.first(n))
    }
}

impl<A: Buffers, B: Buffers> Buffers for (A, B) {
    fn first(&mut self, n: usize) -> Self {
        (self.0.first(n), self.1.first(n))
    }
}

/// Calls `visit(parameter, number of its first element among all, part)` for every parameter, or part of one, that lies in a chunk of
/// the buffers, on all threads. Padding is left out.
pub(crate) fn for_parts<B: Buffers>(layout: &Layout, mut buffers: B, visit: impl Fn(usize, u64, B) + Sync) {
    let entries = layout.entries();
    let chunks = (0..layout.padded()).step_by(CHUNK).map(|start| (start, buffers.first(CHUNK.min(layout.padded() - start))));
    each(chunks, |(mut at, mut chunk)| {
        let end = at + CHUNK;
        let first = entries.partition_point(|e| e.range().end <= at);
        for (i, entry) in entries.iter().enumerate().skip(first).take_while(|(_, e)| e.range().start < end) {
            let whole = entry.range();
            let (from, to) = (whole.start.max(at), whole.end.min(end));
            chunk.first(from - at);
            visit(i, (entry.start + from - whole.start) as u64, chunk.first(to - from));
            at = to;
        }
    });
}

/// [`for_parts`] of the parameters that are trained; whether `visit` said of every part that it is good.
pub(crate) fn update_parts<B: Buffers>(layout: &Layout, buffers: B, visit: impl Fn(usize, u64, B) -> bool + Sync) -> bool {
    let good = AtomicBool::new(true);
    for_parts(layout, buffers, |i, start, part| {
        // Every part is worked through, also after one that went out of range.
        if !layout.entries()[i].parameter.frozen() && !visit(i, start, part) {
            good.store(false, Ordering::Relaxed);
        }
    });
    good.into_inner()
}

/// Cuts `start .. start + length` of all elements into whole groups of 64 and what is left at its ends, and calls
/// `visit(number of the first group, first lane in it, range)` for each; a range that is no multiple of 64 lies in one group.
pub(crate) fn cut(start: u64, length: usize, mut visit: impl FnMut(u64, usize, Range<usize>)) {
    let mut done = 0;
    while done < length {
        let element = start + done as u64;
        let (lane, left) = ((element % GROUP as u64) as usize, length - done);
        let count = match lane {
            0 if left >= GROUP => left - left % GROUP,
            _ => left.min(GROUP - lane),
        };
        visit(element / GROUP as u64, lane, done..done + count);
        done += count;
    }
}

/// Copies the mean to weights of another type.
pub(crate) fn convert<E: Compute>(mean: &[f32], weights: &mut Flat) {
    let mut weights = weights.as_mut_slice::<E>();
    let chunks = weights.chunks_mut(CHUNK).zip(mean.chunks(CHUNK));
    each(chunks, |(weights, mean)| weights.iter_mut().zip(mean).for_each(|(w, m)| *w = E::of(*m)));
}

/// Multiplies every element of a gradient.
///
/// # Errors
/// If a tensor on it is still held.
pub(crate) fn multiply(gradient: &mut Flat, factor: f64) -> Result<()> {
    match gradient.dtype() {
        DType::F64 => each(gradient.values_mut::<f64>()?.chunks_mut(CHUNK), |chunk| chunk.iter_mut().for_each(|g| *g *= factor)),
        _ => each(gradient.values_mut::<f32>()?.chunks_mut(CHUNK), |chunk| {
            chunk.iter_mut().for_each(|g| *g = (*g as f64 * factor) as f32);
        }),
    }
    Ok(())
}

/// The sum of squares of a flat buffer. `partial` has one place for each chunk, so that the order of summation is fixed. It is finite where all elements are.
pub(crate) fn sum_of_squares<E: Compute>(flat: &Flat, partial: &mut [f64]) -> f64 {
    each(partial.iter_mut().zip(flat.as_slice::<E>().chunks(CHUNK)), |(sum, chunk)| {
        *sum = squares(chunk);
        // The lanes are f32, in which squares from 1.8e19 on are infinite.
        if !sum.is_finite() {
            *sum = chunk.iter().map(|x| f64::from(x.f32()).powi(2)).sum();
        }
    });
    partial.iter().sum()
}

versions! {
    fn squares<{ E: Compute } { E }>(chunk: &[E]) -> f64 {
        let mut lanes = [0f32; GROUP];
        let mut groups = chunk.chunks_exact(GROUP);
        for group in &mut groups {
            for (sum, x) in lanes.iter_mut().zip(group) {
                *sum += x.f32() * x.f32();
            }
        }
        // A flat buffer is padded to whole groups.
        debug_assert!(groups.remainder().is_empty());
        lanes.iter().map(|x| *x as f64).sum()
    }
}
