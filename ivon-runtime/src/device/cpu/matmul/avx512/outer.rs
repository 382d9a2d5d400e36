//! Gradients of the weights of convolutions: sums over pixels of outer products, of vectors that are read from where they lie.
//!
//! C\[o, (tap, c)\] (+)= the sum over output pixels p of d_y\[p, o\] · x\[p under tap, c\]. The microkernel broadcasts elements of d_y and reads
//! vectors of channels of x; both are contiguous in every pixel, and a tap skips the pixels that it sees outside of the image. Only what is far
//! from its neighbours, where lines of the cache would drive each other out, is copied together first. In bf16, where a lane is two pixels, both operands are
//! packed, and a tap reads zeros for the pixels outside.
//! Pixels are cut into slices, fixed by the shape, whose sums are added up in order at the end.

use super::drivers::{Shared, part};
use super::indirect::with_table;
use super::kernel::{self, Bf16, Kernel, MR, NR, Old, Range, columns, first};
use super::pack::{Operand, View, pack_across};
use crate::device::cpu::matmul::Precision;
use crate::device::cpu::matmul::scratch;
use crate::device::cpu::matmul::scratch::Buffer;
use crate::device::cpu::matmul::team::{run_stages, threads_for};
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

// SAFETY: what it points to is said where it runs: operands that are only read, and a C of which every task writes its own part.
unsafe impl<S: Sync> Sync for Outer<S> {}

/// Pixels whose products are summed in registers: what they need stays in the first-level cache.
const PIXELS: usize = 192;
/// Elements from pixel to pixel from which on these are copied together: their lines would share few places of the first-level cache.
const FAR: usize = 128;
/// Most rows of such pixels.
const STRIPS: usize = 32;

/// How the pixels are cut into slices, and the columns of C into groups.
#[derive(Clone, Copy)]
struct Cut {
    /// Rows of pixels of a block, blocks, blocks of a slice, slices.
    high: usize,
    blocks: usize,
    slice: usize,
    slices: usize,
    /// Panels of up to NR channels: of a tap, of a group of them, and groups.
    of_tap: usize,
    group: usize,
    groups: usize,
}

/// A slice's sums in a group's columns.
#[derive(Clone, Copy)]
struct Task {
    blocks: (usize, usize),
    panels: Range,
    /// As large as C.
    sums: *mut f32,
    /// True if the old content of `sums` is not read.
    fresh: bool,
}

impl<S: Strips> Outer<S> {
    /// Computes it, in bf16 only where the machine has it. No dimension is zero.
    ///
    /// # Safety
    /// Strips lie in memory with all their channels; `d_y` holds `rows * width` pixels of `outputs` and C is as large as said, and nobody else
    /// accesses it; the machine has AVX-512.
    pub(crate) unsafe fn run(self, precision: Precision) {
        match precision {
            Precision::Bf16 if super::has_bf16() => {
                let cut = self.cut(PIXELS * Bf16::K);
                // SAFETY: what this function requires; bf16 was detected.
                self.in_slices(Bf16::K, cut, |task| unsafe { self.packed::<Bf16>(cut, task) });
            }
            _ => {
                let cut = self.cut(PIXELS);
                // SAFETY: what this function requires.
                self.in_slices(1, cut, |task| unsafe { self.in_place(cut, task) });
            }
        }
    }

    /// Weights.
    fn size(&self) -> usize {
        self.outputs * self.taps * self.channels
    }

    /// With blocks of about so many pixels.
    fn cut(&self, pixels: usize) -> Cut {
        let high = (pixels / self.width).clamp(1, STRIPS);
        let blocks = self.rows.div_ceil(high);
        // Few slices where their sums are large.
        let slice = blocks.div_ceil(((1 << 19) / self.size()).clamp(1, 16));
        let slices = blocks.div_ceil(slice);
        // Tasks share the columns, so that there are enough tasks.
        let of_tap = self.channels.div_ceil(NR);
        let group = (self.taps * of_tap).div_ceil(32usize.div_ceil(slices));
        Cut { high, blocks, slice, slices, of_tap, group, groups: (self.taps * of_tap).div_ceil(group) }
    }

    /// Calls `multiply` for every slice and group, then adds up the slices. `speed`: multiply-adds for one of f32.
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
                // SAFETY: this stretch of C is this task's alone.
                let c = unsafe { std::slice::from_raw_parts_mut(c.at(start), count) };
                for number in 0..slices {
                    // SAFETY: the sums were written in the stage before.
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

    /// A task in f32.
    ///
    /// # Safety
    /// As [`Outer::run`]; these columns of the task's sums are nobody else's.
    unsafe fn in_place(&self, cut: Cut, task: Task) {
        let Outer { rows, width, outputs, taps, channels, .. } = *self;
        let pixels = cut.high * width;
        // Rows of a tile in equal parts.
        let tile = outputs.div_ceil(outputs.div_ceil(MR));
        // Far pixels, and enough work on them to pay for the copy.
        let (copy_x, copy_d_y) = (self.step >= FAR && outputs >= 4 * MR, outputs >= FAR && cut.group >= 4);
        let multiply = |x_copy: &mut [f32], d_y_copy: &mut [f32]| {
            for block in task.blocks.0..task.blocks.1 {
                let in_block = part(block, cut.high, rows);
                let d_y = self.d_y.wrapping_add(in_block.start * width * outputs);
                if copy_d_y {
                    // SAFETY: the pixels of the block, and `pixels` times whole tiles to write.
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
                            c: task.sums.wrapping_add((output * taps + tap) * channels + channel),
                            row_stride: taps * channels,
                            columns,
                            fresh: task.fresh && block == task.blocks.0,
                        };
                        // SAFETY: pixels, outputs and channels exist; the rest is what this function requires.
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

    /// A task with both operands packed, for precisions whose lanes are several pixels.
    ///
    /// # Safety
    /// As [`Outer::in_place`]; the machine has the features of `KN`.
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
                // SAFETY: the pixels of the block with all outputs; whole panels of them can be written.
                unsafe { KN::pack::<_, MR>(pixels, d_y.as_mut_ptr(), Range { start: 0, count: outputs }, all) };
                let mut tap_in_places = None;
                for panel in task.panels.start..task.panels.start + task.panels.count {
                    let (tap, channel) = (panel / cut.of_tap, panel % cut.of_tap * NR);
                    if tap_in_places.replace(tap) != Some(tap) {
                        self.locate(tap, in_block, places);
                    }
                    let at = Range { start: channel, count: NR.min(channels - channel) };
                    // SAFETY: these channels of the pixels that are seen; a whole panel can be written.
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
                        // SAFETY: both panels were packed, of `lanes` each; outputs and channels exist; the rest is what this function requires.
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

    /// Where the pixels lie that a tap sees from these rows; null outside.
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

/// Pixels as an operand: k steps are pixels, panel elements are channels.
#[derive(Clone, Copy)]
struct Seen<'a>(&'a [*const f32]);

// SAFETY: pixels that are only read.
unsafe impl Sync for Seen<'_> {}

impl Operand for Seen<'_> {
    #[inline(always)]
    unsafe fn pack<KN: Kernel, const W: usize>(self, panels: *mut f32, at: Range, k: Range) {
        // SAFETY: what this function requires.
        unsafe {
            pack_across::<KN, f32, W>(panels, at.count, k.count, |step, i| match self.0[k.start + step] {
                place if place.is_null() => place,
                place => place.wrapping_add(at.start + i),
            });
        }
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
    /// True if the old content of C is not read.
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
