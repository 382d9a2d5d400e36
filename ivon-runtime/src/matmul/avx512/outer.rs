//! Gradients of the weights of convolutions: sums over pixels of outer products, of vectors that are read from where they lie.
//!
//! C\[o, (tap, c)\] (+)= the sum over output pixels p of d_y\[p, o\] · x\[p under tap, c\]. The microkernel broadcasts elements of d_y and reads
//! vectors of channels of x; both are contiguous in every pixel, and a tap skips the pixels that it sees outside of the image. Only what is far
//! from its neighbours, where lines of the cache would drive each other out, is copied together first.
//! Pixels are cut into slices, fixed by the shape, whose sums are added up in order at the end.

use super::drivers::{Shared, part};
use super::kernel::{MR, NR, Range, columns, first};
use crate::matmul::scratch::{self, Buffer};
use crate::matmul::team::{run_stages, threads_for};
use std::arch::x86_64::*;

/// Where the pixels of x lie that a tap sees.
pub(crate) trait Strips: Copy + Sync {
    /// What tap `tap` sees of row `row` of output pixels, counted through all images.
    fn strip(&self, tap: usize, row: usize) -> Strip;
}

/// Neighbouring pixels.
#[derive(Clone, Copy)]
pub(crate) struct Strip {
    /// The first output pixel of the row that sees one of them, and how many do.
    pub first: usize,
    pub count: usize,
    /// The channels of what the first one sees.
    pub x: *const f32,
}

/// See above.
#[derive(Clone, Copy)]
pub(crate) struct Outer<S> {
    /// Rows of output pixels in all images, and pixels of a row.
    pub rows: usize,
    pub width: usize,
    pub outputs: usize,
    pub taps: usize,
    /// Channels of a tap.
    pub channels: usize,
    pub strips: S,
    /// Elements from one pixel of a strip to the next.
    pub step: usize,
    pub d_y: *const f32,
    /// C: `outputs` rows of `taps * channels`.
    pub c: *mut f32,
    pub add: bool,
}

/// Pixels whose products are summed in registers: what they need stays in the first-level cache.
const PIXELS: usize = 192;
/// Elements from pixel to pixel from which on these are copied together: their lines would share few places of the first-level cache.
const FAR: usize = 128;
/// Most rows of such pixels.
const STRIPS: usize = 32;

impl<S: Strips> Outer<S> {
    /// Computes it. No dimension is zero.
    ///
    /// # Safety
    /// Strips lie in memory with all their channels; `d_y` holds `rows * width` pixels of `outputs` and C is as large as said, and nobody else
    /// accesses it; the machine has AVX-512.
    pub(crate) unsafe fn run(self) {
        let Outer { rows, width, outputs, taps, channels, .. } = self;
        let size = outputs * taps * channels;
        let threads = threads_for((rows * width).saturating_mul(size));
        let high = (PIXELS / width).clamp(1, STRIPS);
        let blocks = rows.div_ceil(high);
        // Few slices where their sums are large.
        let slice = blocks.div_ceil(((1 << 19) / size).clamp(1, 16));
        let slices = blocks.div_ceil(slice);
        // Panels of columns: up to NR channels of a tap. Tasks share them, so that there are enough tasks.
        let of_tap = channels.div_ceil(NR);
        let group = (taps * of_tap).div_ceil(32usize.div_ceil(slices));
        let groups = (taps * of_tap).div_ceil(group);
        // Rows of a tile in equal parts.
        let tile = outputs.div_ceil(outputs.div_ceil(MR));
        scratch::with(Buffer::Shared, if slices > 1 { slices * size } else { 0 }, |partial| {
            let partial = Shared(partial.as_mut_ptr());
            let c = Shared(self.c);
            let d_y = Shared(self.d_y.cast_mut());
            let strips = self.strips;
            // Far pixels, and enough work on them to pay for the copy.
            let (copy_x, copy_d_y) = (self.step >= FAR && outputs >= 4 * MR, outputs >= FAR && group >= 4);
            let pixels = high * width;
            let multiply = |task: usize, x_copy: &mut [f32], d_y_copy: &mut [f32]| {
                let (number, panels) = (task / groups, part(task % groups, group, taps * of_tap));
                let sums = if slices > 1 { partial.at(number * size) } else { c.at(0) };
                for block in number * slice..((number + 1) * slice).min(blocks) {
                    let in_block = part(block, high, rows);
                    let fresh = block == number * slice && (slices > 1 || !self.add);
                    let d_y = d_y.at(in_block.start * width * outputs).cast_const();
                    if copy_d_y {
                        // SAFETY: the pixels of the block, and `pixels` times whole tiles to write.
                        unsafe { copy_tiles(d_y, in_block.count * width, outputs, tile, pixels, d_y_copy.as_mut_ptr()) };
                    }
                    for panel in panels.start..panels.start + panels.count {
                        let (tap, channel) = (panel / of_tap, panel % of_tap * NR);
                        let columns = columns(channels - channel);
                        let mut seen: [Strip; STRIPS] = std::array::from_fn(|i| match i < in_block.count {
                            true => strips.strip(tap, in_block.start + i),
                            false => Strip { first: 0, count: 0, x: std::ptr::null() },
                        });
                        for (i, strip) in seen.iter_mut().enumerate().take(in_block.count) {
                            strip.x = strip.x.wrapping_add(channel);
                            if copy_x {
                                let to = x_copy[i * width * NR..].as_mut_ptr();
                                // SAFETY: these channels of the strip's pixels; a row has `width` of them at most.
                                unsafe { copy_strip(*strip, self.step, columns, to) };
                                strip.x = to;
                            }
                        }
                        for output in (0..outputs).step_by(tile) {
                            let (d_y, d_y_step) = match copy_d_y {
                                true => (d_y_copy[output * pixels..].as_ptr(), tile),
                                false => (d_y.wrapping_add(output), outputs),
                            };
                            let work = Tile {
                                strips: &seen[..in_block.count],
                                width,
                                d_y,
                                d_y_step,
                                x_step: if copy_x { NR } else { self.step },
                                c: sums.wrapping_add((output * taps + tap) * channels + channel),
                                row_stride: taps * channels,
                                columns,
                                fresh,
                            };
                            // SAFETY: pixels, outputs and channels exist; these columns of the sums of this slice are this task's alone; the
                            // rest is what this function requires.
                            unsafe { work.compute(tile.min(outputs - output), channels - channel > 16) };
                        }
                    }
                }
            };
            let multiply = |task: usize| {
                scratch::with(Buffer::Right, if copy_x { pixels * NR } else { 0 }, |x_copy| {
                    let whole = outputs.next_multiple_of(tile);
                    scratch::with(Buffer::Left, if copy_d_y { pixels * whole } else { 0 }, |d_y_copy| {
                        multiply(task, x_copy, d_y_copy)
                    });
                });
            };
            const CHUNK: usize = 4096;
            let add_up = |task: usize| {
                let Range { start, count } = part(task, CHUNK, size);
                // SAFETY: this stretch of C is this task's alone.
                let c = unsafe { std::slice::from_raw_parts_mut(c.at(start), count) };
                for number in 0..slices {
                    // SAFETY: the sums were written in the stage before.
                    let sums = unsafe { std::slice::from_raw_parts(partial.at(number * size + start), count) };
                    match number == 0 && !self.add {
                        true => c.copy_from_slice(sums),
                        false => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
                    }
                }
            };
            let tasks = [slices * groups, size.div_ceil(CHUNK)];
            let stages = if slices > 1 { 2 } else { 1 };
            run_stages(
                threads,
                stages,
                |stage| tasks[stage],
                |stage, task| if stage == 0 { multiply(task) } else { add_up(task) },
            );
        });
    }
}

/// Copies these columns of a strip's pixels: NR elements a pixel.
///
/// # Safety
/// The pixels have these columns, and as many times NR elements can be written; the machine has AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn copy_strip(strip: Strip, step: usize, columns: [__mmask16; 2], to: *mut f32) {
    for i in 0..strip.count {
        for (j, keep) in columns.into_iter().enumerate() {
            // SAFETY: what this function requires; masked lanes are not read.
            unsafe {
                let x = _mm512_maskz_loadu_ps(keep, strip.x.wrapping_add(i * step + 16 * j));
                _mm512_storeu_ps(to.add(i * NR + 16 * j), x);
            }
        }
    }
}

/// Copies `count` pixels of `outputs` into tiles of `tile` outputs, which lie `pixels` pixels apart.
///
/// # Safety
/// The pixels exist, and `pixels >= count` times `outputs`, rounded up to whole tiles, elements can be written; the machine has AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn copy_tiles(d_y: *const f32, count: usize, outputs: usize, tile: usize, pixels: usize, to: *mut f32) {
    for i in 0..count {
        for output in (0..outputs).step_by(tile) {
            let keep = first(tile.min(outputs - output));
            // SAFETY: what this function requires; masked lanes are neither read nor written.
            unsafe {
                let x = _mm512_maskz_loadu_ps(keep, d_y.wrapping_add(i * outputs + output));
                _mm512_mask_storeu_ps(to.wrapping_add(output * pixels + i * tile), keep, x);
            }
        }
    }
}

/// Up to MR outputs and NR channels of a tap, over a block of pixels.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// One for every row of pixels.
    strips: &'a [Strip],
    width: usize,
    /// The outputs of the block's first pixel, and elements from pixel to pixel.
    d_y: *const f32,
    d_y_step: usize,
    /// Elements from pixel to pixel of a strip.
    x_step: usize,
    c: *mut f32,
    row_stride: usize,
    columns: [__mmask16; 2],
    /// Whether the old content of C is not read.
    fresh: bool,
}

impl Tile<'_> {
    /// # Safety
    /// What the fields promise, for `1..=MR` rows; the machine has AVX-512.
    unsafe fn compute(self, rows: usize, wide: bool) {
        macro_rules! by_rows {
            ($v:literal: $($m:literal)*) => {
                match rows { $($m => tile::<$m, $v>(self),)* rows => unreachable!("a tile of {rows} rows") }
            };
        }
        // SAFETY: what this function requires.
        unsafe {
            match wide {
                true => by_rows!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
                false => by_rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
            }
        }
    }
}

/// `M` outputs and `V` vectors of channels.
///
/// # Safety
/// As [`Tile::compute`].
#[target_feature(enable = "avx512f")]
unsafe fn tile<const M: usize, const V: usize>(t: Tile) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    // SAFETY: strips hold `count` pixels with these channels, d_y as many with these outputs, and C these rows and columns; masked lanes are not
    // accessed. Prefetching is harmless anywhere.
    unsafe {
        for row in 0..M {
            for j in 0..V {
                _mm_prefetch::<_MM_HINT_T0>(t.c.wrapping_add(row * t.row_stride + 16 * j).cast());
            }
        }
        for (i, strip) in t.strips.iter().enumerate() {
            let mut d_y = t.d_y.wrapping_add((i * t.width + strip.first) * t.d_y_step);
            let mut x = strip.x;
            for _ in 0..strip.count {
                let xs: [__m512; V] = std::array::from_fn(|j| _mm512_maskz_loadu_ps(t.columns[j], x.wrapping_add(16 * j)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let d_y = _mm512_set1_ps(*d_y.add(row));
                    for j in 0..V {
                        sums[j] = _mm512_fmadd_ps(d_y, xs[j], sums[j]);
                    }
                }
                (d_y, x) = (d_y.wrapping_add(t.d_y_step), x.wrapping_add(t.x_step));
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                let c = t.c.wrapping_add(row * t.row_stride + 16 * j);
                let old = if t.fresh { _mm512_setzero_ps() } else { _mm512_maskz_loadu_ps(t.columns[j], c) };
                _mm512_mask_storeu_ps(c, t.columns[j], _mm512_add_ps(old, *sum));
            }
        }
    }
}
