//! Gradients of the weights of convolutions: sums over pixels of outer products. The vectors are read from their place in memory.
//!
//! C\[o, (tap, c)\] (+)= the sum over output pixels p of d_y\[p, o\] · x\[p under tap, c\]. The microkernel broadcasts elements
//! of d_y and reads vectors of channels of x. Both are contiguous in every pixel, and a tap skips pixels outside of the image.
//! Pixels that lie far apart, so that their cache lines would evict each other, are first copied together. In bf16, where a lane
//! is two pixels, both operands are packed, and a tap reads zeros for pixels outside. The pixels are split into slices that
//! depend only on the shape. The sums of the slices are added in order at the end.

use super::drivers::{Shared, part};
use super::indirect::with_table;
use super::kernel::{self, Bf16, Kernel, MR, NR, Old, Range, columns, first};
use super::pack::{Operand, View, pack_across};
use crate::device::cpu::matmul::Precision;
use crate::device::cpu::matmul::scratch;
use crate::device::cpu::matmul::scratch::Buffer;
use crate::device::cpu::matmul::team::{run_stages, threads_for};
use std::arch::x86_64::*;

/// The places of the pixels of x that a tap reads.
pub(crate) trait Strips: Copy + Sync {
    /// Returns the pixels that tap `tap` reads for row `row` of output pixels, counted over all images.
    fn strip(&self, tap: usize, row: usize) -> Strip;
}

/// Neighbouring pixels.
#[derive(Clone, Copy)]
pub(crate) struct Strip {
    /// The first output pixel of the row for which the tap lies in the image, and the number of such pixels.
    pub first: usize,
    pub count: usize,
    /// The channels of the first pixel that is read.
    pub x: *const f32,
}

/// A product of this module: see its documentation.
#[derive(Clone, Copy)]
pub(crate) struct Outer<S> {
    /// Rows of output pixels in all images, and pixels per row.
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
    /// C: `outputs` rows of `taps * channels` elements.
    pub c: *mut f32,
    pub add: bool,
}

// SAFETY: the contract of `run` covers the pointers: operands are only read, and every task writes its own part of C.
unsafe impl<S: Sync> Sync for Outer<S> {}

/// Pixels whose products are summed in registers: their operands stay in the first-level cache.
const PIXELS: usize = 192;
/// Distance of neighbouring pixels, in elements, from which on they are copied together: their cache lines would share few sets
/// of the first-level cache.
const FAR: usize = 128;
/// The largest number of rows of pixels in a block.
const STRIPS: usize = 32;

/// The split of the pixels into slices and of the columns of C into groups.
#[derive(Clone, Copy)]
struct Cut {
    /// Rows of pixels per block, blocks, blocks per slice, slices.
    high: usize,
    blocks: usize,
    slice: usize,
    slices: usize,
    /// Panels of up to NR channels: per tap, per group, and the number of groups.
    of_tap: usize,
    group: usize,
    groups: usize,
}

/// The sums of one slice in the columns of one group.
#[derive(Clone, Copy)]
struct Task {
    blocks: (usize, usize),
    panels: Range,
    /// The sums, laid out like C.
    sums: *mut f32,
    /// True if the old content of `sums` is not read.
    fresh: bool,
}

impl<S: Strips> Outer<S> {
    /// Computes the product; in bf16 only if the machine supports it. No dimension may be zero.
    ///
    /// # Safety
    /// Strips must lie in memory with all their channels. `d_y` must hold `rows * width` pixels of `outputs` elements. C must
    /// have the described size, and nothing else may access it. The machine must have AVX-512.
    pub(crate) unsafe fn run(self, precision: Precision) {
        match precision {
            Precision::Bf16 if super::has_bf16() => {
                let cut = self.cut(PIXELS * Bf16::K);
                // SAFETY: the caller upholds this function's contract; bf16 was detected.
                self.in_slices(Bf16::K, cut, |task| unsafe { self.packed::<Bf16>(cut, task) });
            }
            _ => {
                let cut = self.cut(PIXELS);
                // SAFETY: the caller upholds this function's contract.
                self.in_slices(1, cut, |task| unsafe { self.in_place(cut, task) });
            }
        }
    }

    /// The number of weights.
    fn size(&self) -> usize {
        self.outputs * self.taps * self.channels
    }

    /// Returns the split into blocks of about `pixels` pixels.
    fn cut(&self, pixels: usize) -> Cut {
        let high = (pixels / self.width).clamp(1, STRIPS);
        let blocks = self.rows.div_ceil(high);
        // Few slices if their sums are large.
        let slice = blocks.div_ceil(((1 << 19) / self.size()).clamp(1, 16));
        let slices = blocks.div_ceil(slice);
        // Tasks share the columns too, so that there are enough tasks.
        let of_tap = self.channels.div_ceil(NR);
        let group = (self.taps * of_tap).div_ceil(32usize.div_ceil(slices));
        Cut { high, blocks, slice, slices, of_tap, group, groups: (self.taps * of_tap).div_ceil(group) }
    }

    /// Calls `multiply` for every slice and group, then adds the slices. `speed`: multiply-adds in the time of one f32
    /// multiply-add.
    fn in_slices(&self, speed: usize, cut: Cut, multiply: impl Fn(Task) + Sync) {
        let Cut { blocks, slice, slices, group, groups, .. } = cut;
        let (size, add) = (self.size(), self.add);
        let threads = threads_for((self.rows * self.width).saturating_mul(size) / speed);
        scratch::with(Buffer::Shared, if slices > 1 { slices * size } else { 0 }, |partial| {
            let partial = Shared(partial.as_mut_ptr());
            let c = Shared(self.c);
            let panels = self.taps * cut.of_tap;
            let multiply = |task: usize| {
                let number = task / groups;
                multiply(Task {
                    blocks: (number * slice, ((number + 1) * slice).min(blocks)),
                    panels: part(task % groups, group, panels),
                    sums: if slices > 1 { partial.at(number * size) } else { c.at(0) },
                    fresh: slices > 1 || !add,
                });
            };
            const CHUNK: usize = 4096;
            let add_up = |task: usize| {
                let Range { start, count } = part(task, CHUNK, size);
                // SAFETY: only this task accesses this part of C.
                let c = unsafe { std::slice::from_raw_parts_mut(c.at(start), count) };
                for number in 0..slices {
                    // SAFETY: the sums were written in the previous stage.
                    let sums = unsafe { std::slice::from_raw_parts(partial.at(number * size + start), count) };
                    match number == 0 && !add {
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

    /// Computes a task in f32.
    ///
    /// # Safety
    /// Those of [`Outer::run`]. Nothing else may access these columns of the task's sums.
    unsafe fn in_place(&self, cut: Cut, task: Task) {
        let Outer { rows, width, outputs, taps, channels, .. } = *self;
        let pixels = cut.high * width;
        // The outputs in tiles of equal size.
        let tile = outputs.div_ceil(outputs.div_ceil(MR));
        // Copying pays for pixels that lie far apart, if there is enough work on them.
        let (copy_x, copy_d_y) = (self.step >= FAR && outputs >= 4 * MR, outputs >= FAR && cut.group >= 4);
        let multiply = |x_copy: &mut [f32], d_y_copy: &mut [f32]| {
            for block in task.blocks.0..task.blocks.1 {
                let in_block = part(block, cut.high, rows);
                let d_y = self.d_y.wrapping_add(in_block.start * width * outputs);
                if copy_d_y {
                    // SAFETY: these are the pixels of the block; the copy has room for `pixels` times the whole tiles.
                    unsafe { copy_tiles(d_y, in_block.count * width, outputs, tile, pixels, d_y_copy.as_mut_ptr()) };
                }
                for panel in task.panels.start..task.panels.start + task.panels.count {
                    let (tap, channel) = (panel / cut.of_tap, panel % cut.of_tap * NR);
                    let columns = columns(channels - channel);
                    let mut seen: [Strip; STRIPS] = std::array::from_fn(|i| match i < in_block.count {
                        true => self.strips.strip(tap, in_block.start + i),
                        false => Strip { first: 0, count: 0, x: std::ptr::null() },
                    });
                    for (i, strip) in seen.iter_mut().enumerate().take(in_block.count) {
                        strip.x = strip.x.wrapping_add(channel);
                        if copy_x {
                            let to = x_copy[i * width * NR..].as_mut_ptr();
                            // SAFETY: the strip's pixels have these channels, and a row has at most `width` of them.
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
                            c: task.sums.wrapping_add((output * taps + tap) * channels + channel),
                            row_stride: taps * channels,
                            columns,
                            fresh: task.fresh && block == task.blocks.0,
                        };
                        // SAFETY: pixels, outputs and channels exist. The caller upholds the rest of the contract.
                        unsafe { work.compute(tile.min(outputs - output), channels - channel > 16) };
                    }
                }
            }
        };
        scratch::with(Buffer::Right, if copy_x { pixels * NR } else { 0 }, |x_copy| {
            let whole = outputs.next_multiple_of(tile);
            scratch::with(Buffer::Left, if copy_d_y { pixels * whole } else { 0 }, |d_y_copy| multiply(x_copy, d_y_copy));
        });
    }

    /// Computes a task with both operands packed, for precisions whose lanes are several pixels.
    ///
    /// # Safety
    /// Those of [`Outer::in_place`]. The machine must have the features of `KN`.
    unsafe fn packed<KN: Kernel>(&self, cut: Cut, task: Task) {
        let Outer { rows, width, outputs, taps, channels, .. } = *self;
        let most = (cut.high * width).div_ceil(KN::K);
        let multiply = |x: &mut [f32], d_y: &mut [f32], places: &mut [*const f32]| {
            for block in task.blocks.0..task.blocks.1 {
                let in_block = part(block, cut.high, rows);
                let places = &mut places[..in_block.count * width];
                let (all, lanes) = (Range { start: 0, count: places.len() }, places.len().div_ceil(KN::K));
                let of_block = self.d_y.wrapping_add(in_block.start * width * outputs);
                let pixels = View { start: of_block, panel_stride: 1, k_stride: outputs };
                // SAFETY: these are the pixels of the block with all outputs; the buffer has room for whole panels.
                unsafe { KN::pack::<_, MR>(pixels, d_y.as_mut_ptr(), Range { start: 0, count: outputs }, all) };
                let mut tap_in_places = None;
                for panel in task.panels.start..task.panels.start + task.panels.count {
                    let (tap, channel) = (panel / cut.of_tap, panel % cut.of_tap * NR);
                    if tap_in_places.replace(tap) != Some(tap) {
                        self.locate(tap, in_block, places);
                    }
                    let at = Range { start: channel, count: NR.min(channels - channel) };
                    // SAFETY: the pixels that the tap reads have these channels; the buffer has room for a whole panel.
                    unsafe { KN::pack::<_, NR>(Seen(places), x.as_mut_ptr(), at, all) };
                    for output in (0..outputs).step_by(MR) {
                        let (c, row_stride) =
                            (task.sums.wrapping_add((output * taps + tap) * channels + channel), taps * channels);
                        let fresh = task.fresh && block == task.blocks.0;
                        let tile = kernel::Tile {
                            lanes,
                            a: d_y[output * lanes..].as_ptr(),
                            b: x.as_ptr(),
                            c,
                            row_stride,
                            columns: columns(channels - channel),
                            old: if fresh { Old::NONE } else { Old { start: c, row_stride } },
                        };
                        // SAFETY: both panels were packed, of `lanes` each; outputs and channels exist. The caller upholds the
                        // rest of the contract.
                        unsafe { KN::tile(MR.min(outputs - output), tile) };
                    }
                }
            }
        };
        scratch::with(Buffer::Right, most * NR, |x| {
            scratch::with(Buffer::Left, most * outputs.next_multiple_of(MR), |d_y| {
                with_table(cut.high * width, |places| multiply(x, d_y, places));
            });
        });
    }

    /// Writes the places of the pixels that a tap reads for these rows; null outside of the image.
    fn locate(&self, tap: usize, rows: Range, places: &mut [*const f32]) {
        for (i, places) in places.chunks_exact_mut(self.width).enumerate() {
            let strip = self.strips.strip(tap, rows.start + i);
            places.fill(std::ptr::null());
            for (j, place) in places.iter_mut().skip(strip.first).take(strip.count).enumerate() {
                *place = strip.x.wrapping_add(j * self.step);
            }
        }
    }
}

/// Pixels as an operand: a k step is a pixel, a panel element is a channel.
#[derive(Clone, Copy)]
struct Seen<'a>(&'a [*const f32]);

// SAFETY: the pixels are only read.
unsafe impl Sync for Seen<'_> {}

impl Operand for Seen<'_> {
    #[inline(always)]
    unsafe fn pack<KN: Kernel, const W: usize>(self, panels: *mut f32, at: Range, k: Range) {
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            pack_across::<KN, f32, W>(panels, at.count, k.count, |step, i| match self.0[k.start + step] {
                place if place.is_null() => place,
                place => place.wrapping_add(at.start + i),
            });
        }
    }
}

/// Copies these columns of a strip's pixels, NR elements per pixel.
///
/// # Safety
/// The pixels must have these columns. NR elements per pixel must be writable at `to`. The machine must have AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn copy_strip(strip: Strip, step: usize, columns: [__mmask16; 2], to: *mut f32) {
    for i in 0..strip.count {
        for (j, keep) in columns.into_iter().enumerate() {
            // SAFETY: the caller upholds this function's contract; masked lanes are not read.
            unsafe {
                let x = _mm512_maskz_loadu_ps(keep, strip.x.wrapping_add(i * step + 16 * j));
                _mm512_storeu_ps(to.add(i * NR + 16 * j), x);
            }
        }
    }
}

/// Copies `count` pixels of `outputs` elements into tiles of `tile` outputs, each with room for `pixels` pixels.
///
/// # Safety
/// The pixels must exist. `pixels >= count` times `outputs`, rounded up to whole tiles, elements must be writable. The machine
/// must have AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn copy_tiles(d_y: *const f32, count: usize, outputs: usize, tile: usize, pixels: usize, to: *mut f32) {
    for i in 0..count {
        for output in (0..outputs).step_by(tile) {
            let keep = first(tile.min(outputs - output));
            // SAFETY: the caller upholds this function's contract; masked lanes are neither read nor written.
            unsafe {
                let x = _mm512_maskz_loadu_ps(keep, d_y.wrapping_add(i * outputs + output));
                _mm512_mask_storeu_ps(to.wrapping_add(output * pixels + i * tile), keep, x);
            }
        }
    }
}

/// A tile of C: up to MR outputs and NR channels of a tap, summed over a block of pixels.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// One strip for every row of pixels.
    strips: &'a [Strip],
    width: usize,
    /// The outputs of the block's first pixel, and the elements from pixel to pixel.
    d_y: *const f32,
    d_y_step: usize,
    /// Elements from pixel to pixel of a strip.
    x_step: usize,
    c: *mut f32,
    row_stride: usize,
    columns: [__mmask16; 2],
    /// True if the old content of C is not read.
    fresh: bool,
}

impl Tile<'_> {
    /// # Safety
    /// The fields must hold what their comments say, for `rows` in `1..=MR`. The machine must have AVX-512.
    unsafe fn compute(self, rows: usize, wide: bool) {
        macro_rules! by_rows {
            ($v:literal: $($m:literal)*) => {
                match rows { $($m => tile::<$m, $v>(self),)* rows => unreachable!("a tile of {rows} rows") }
            };
        }
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            match wide {
                true => by_rows!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
                false => by_rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
            }
        }
    }
}

/// Computes `M` outputs and `V` vectors of channels.
///
/// # Safety
/// Those of [`Tile::compute`].
#[target_feature(enable = "avx512f")]
unsafe fn tile<const M: usize, const V: usize>(t: Tile) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    // SAFETY: strips hold `count` pixels with these channels, d_y as many with these outputs, and C these rows and columns;
    // masked lanes are not accessed. Prefetching is harmless at any address.
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
