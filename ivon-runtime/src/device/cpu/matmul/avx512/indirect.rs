//! Products with rows that lie anywhere: convolutions without a matrix of patches.
//!
//! After Dukhan, "The Indirect Convolution Algorithm" (2019): row `i` of A consists of one stretch of `channels` elements for every tap of a
//! window, and a table says where each begins. The microkernel broadcasts lanes of A from where they are, so only B, the weights, is packed. A lane is one f32, or
//! two neighbouring bf16: A lies in memory in the precision that it is multiplied in.
//! An element of C is summed in the same order whatever the tasks: over taps and channels, in blocks of a fixed size.

use super::drivers::{Shared, part};
use super::kernel::{Bf16, F32, Kernel, MR, NR, Range, columns, pairs};
use super::pack::Operand;
use crate::device::cpu::matmul::scratch;
use crate::device::cpu::matmul::scratch::Buffer;
use crate::device::cpu::matmul::team::{run_stages, threads_for};
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Where the rows of A and C lie: one for every pixel of some images.
pub(crate) trait Rows: Copy + Sync {
    /// Height and width of an image.
    fn grid(&self) -> [usize; 2];
    /// Calls `input(tap, start)` with the place of every tap of the pixel that is not zeros, and says where its row of C begins.
    fn locate(&self, pixel: Pixel, input: impl FnMut(usize, *const f32)) -> *mut f32;
}

/// A pixel of some images.
#[derive(Clone, Copy)]
pub(crate) struct Pixel {
    pub image: usize,
    pub row: usize,
    pub column: usize,
}

impl Pixel {
    /// Pixel `i` of images of this height and width.
    fn of(i: usize, [height, width]: [usize; 2]) -> Pixel {
        Pixel { image: i / width / height, row: i / width % height, column: i % width }
    }

    /// The one after it.
    #[inline(always)]
    fn next(self, [height, width]: [usize; 2]) -> Pixel {
        match (self.column + 1 < width, self.row + 1 < height) {
            (true, _) => Pixel { column: self.column + 1, ..self },
            (false, true) => Pixel { row: self.row + 1, column: 0, ..self },
            (false, false) => Pixel { image: self.image + 1, row: 0, column: 0 },
        }
    }
}

/// The summand of a row of C.
#[derive(Clone, Copy)]
pub(crate) enum Plus {
    Nothing,
    /// Its old content.
    Content,
    /// This row, as long as those of C: memory that nobody writes.
    Row(*const f32),
}

// SAFETY: a place to read from, see above.
unsafe impl Sync for Plus {}

/// C = plus + A B, where A has `rows` rows of `taps` stretches of `channels` lanes, and B as many rows of lanes and `columns` columns.
#[derive(Clone, Copy)]
pub(crate) struct Indirect<R, B> {
    /// As many as there are pixels.
    pub rows: usize,
    pub columns: usize,
    pub taps: usize,
    pub channels: usize,
    pub places: R,
    /// k runs over (tap, channel), element by element; panel elements are columns.
    pub b: B,
    pub plus: Plus,
}

/// Channels that are summed before the next block of channels: a panel of B stays in the first-level cache.
const BLOCK: usize = <F32 as Kernel>::BLOCK;
/// Rows of a task.
const ROWS: usize = 20 * MR;
/// Rows up to which all of them may be one task, and weights from which on that pays: they do not fit a cache.
const FEW_ROWS: usize = 800;
const MANY_WEIGHTS: usize = 1 << 20;
/// Columns of such a task.
const COLUMNS: usize = 4 * NR;
/// Zeros that a tap outside of the image reads.
static ZEROS: [f32; BLOCK] = [0.0; BLOCK];

thread_local!(static TABLE: RefCell<Vec<*const f32>> = const { RefCell::new(vec![]) });

/// A stretch of k, in lanes: the channels from `channel` on, `count` of them, of `taps` taps from `tap` on.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    tap: usize,
    taps: usize,
    channel: usize,
    count: usize,
}

impl<R: Rows, B: Operand> Indirect<R, B> {
    /// Blocks of k, in order: several taps of few channels, or parts of one of many.
    fn block(&self, i: usize) -> Block {
        if self.channels <= BLOCK {
            let taps = self.taps_a_block();
            Block { tap: i * taps, taps: taps.min(self.taps - i * taps), channel: 0, count: self.channels }
        } else {
            let parts = self.channels.div_ceil(BLOCK);
            let Range { start, count } = part(i % parts, self.channels.div_ceil(parts), self.channels);
            Block { tap: i / parts, taps: 1, channel: start, count }
        }
    }

    fn taps_a_block(&self) -> usize {
        let blocks = self.taps.div_ceil((BLOCK / self.channels).max(1));
        self.taps.div_ceil(blocks)
    }

    fn blocks(&self) -> usize {
        match self.channels <= BLOCK {
            true => self.taps.div_ceil(self.taps_a_block()),
            false => self.taps * self.channels.div_ceil(BLOCK),
        }
    }

    /// Computes it. No dimension is zero.
    ///
    /// # Safety
    /// Every place that `places` gives holds `channels` lanes to read, or `columns` of C, which are nobody else's; rows of C do not overlap; `b`
    /// has these elements; the machine has the features of `KN`.
    pub(crate) unsafe fn run<KN: Gather>(self) {
        let k = self.taps * self.channels;
        let threads = threads_for((self.rows * self.columns).saturating_mul(k));
        // SAFETY: what this function requires.
        unsafe {
            match self.rows <= FEW_ROWS && self.columns * k >= MANY_WEIGHTS {
                true => self.by_columns::<KN>(threads),
                false => self.by_rows::<KN>(threads),
            }
        }
    }

    /// All of B is packed once and shared; tasks share the rows.
    ///
    /// # Safety
    /// As [`Indirect::run`].
    unsafe fn by_rows<KN: Gather>(self, threads: usize) {
        let Indirect { rows, columns: n, taps, channels, .. } = self;
        let (tiles, width) = (n.div_ceil(NR), n.next_multiple_of(NR));
        // Equal shares, some for every thread.
        let height = rows.div_ceil((rows.div_ceil(ROWS)).next_multiple_of(threads)).next_multiple_of(MR);
        scratch::with(Buffer::Shared, width * taps * channels, |panels| {
            let panels = Shared(panels.as_mut_ptr());
            let pack = |task: usize| {
                let (at, k) = (part(task % tiles, NR, n), self.steps(self.block(task / tiles)));
                // SAFETY: columns and steps lie in B; blocks of k follow each other, with `width` elements for every step.
                unsafe { KN::pack::<B, NR>(self.b, panels.at(width * k.start + at.start * k.count), at, elements::<KN>(k)) };
            };
            let multiply = |task: usize| {
                self.with_places(part(task, height, rows), |places| {
                    for i in 0..self.blocks() {
                        let k = self.steps(self.block(i));
                        for column in (0..n).step_by(NR) {
                            // SAFETY: B was packed in the stage before; the rows of C are this task's alone; the rest is what this function requires.
                            unsafe { self.multiply::<KN>(places, i, panels.at(width * k.start + column * k.count), column) };
                        }
                    }
                });
            };
            let tasks = [self.blocks() * tiles, rows.div_ceil(height)];
            run_stages(threads, 2, |stage| tasks[stage], |stage, task| if stage == 0 { pack(task) } else { multiply(task) });
        });
    }

    /// For few rows and many weights, which pass through the cache once: every task packs columns of its own, and computes all rows.
    ///
    /// # Safety
    /// As [`Indirect::run`].
    unsafe fn by_columns<KN: Gather>(self, threads: usize) {
        let n = self.columns;
        let multiply = |task: usize| {
            let columns = part(task, COLUMNS, n);
            self.with_places(Range { start: 0, count: self.rows }, |places| {
                scratch::with(Buffer::Right, NR * BLOCK, |panel| {
                    for column in (columns.start..columns.start + columns.count).step_by(NR) {
                        for i in 0..self.blocks() {
                            let at = Range { start: column, count: NR.min(n - column) };
                            // SAFETY: columns and steps lie in B, and a block has `BLOCK` steps at most; these columns of C are this task's alone; the
                            // rest is what this function requires.
                            unsafe {
                                KN::pack::<B, NR>(self.b, panel.as_mut_ptr(), at, elements::<KN>(self.steps(self.block(i))));
                                self.multiply::<KN>(places, i, panel.as_ptr(), column);
                            }
                        }
                    }
                });
            });
        };
        run_stages(threads, 1, |_| n.div_ceil(COLUMNS), |_, task| multiply(task));
    }

    /// The lanes of k of a block.
    fn steps(&self, block: Block) -> Range {
        Range { start: block.tap * self.channels + block.channel, count: block.taps * block.count }
    }

    /// Calls `f` with the places of these rows: for every tile of MR rows, `taps` times MR places, and those of C.
    fn with_places(&self, rows: Range, f: impl FnOnce(Places)) {
        let size = MR * (self.taps + 1);
        with_table(rows.count.div_ceil(MR) * size, |table| {
            table.fill(std::ptr::null());
            let grid = self.places.grid();
            let mut pixel = Pixel::of(rows.start, grid);
            for i in 0..rows.count {
                let tile = &mut table[i / MR * size..][..size];
                let c = self.places.locate(pixel, |tap, start| tile[tap * MR + i % MR] = start);
                tile[self.taps * MR + i % MR] = c;
                pixel = pixel.next(grid);
            }
            f(Places { rows: rows.count, table });
        });
    }

    /// C += block `i` of A times the panel `b`, for some rows and the columns from `column` on; of the first block, C = plus + that.
    ///
    /// # Safety
    /// `b` holds NR elements for every step of the block, and these columns of these rows of C are the caller's alone; the rest as [`Indirect::run`].
    unsafe fn multiply<KN: Gather>(&self, places: Places, i: usize, b: *const f32, column: usize) {
        let (block, taps, rest) = (self.block(i), self.taps, self.columns - column);
        for (t, table) in places.table.chunks_exact(MR * (taps + 1)).enumerate() {
            let tile = Tile {
                places: table[block.tap * MR..].as_ptr(),
                block,
                b,
                c: table[taps * MR..].as_ptr().cast(),
                column,
                columns: columns(rest),
                plus: if i > 0 { Plus::Content } else { self.plus },
            };
            // SAFETY: the table holds MR places for each of the block's taps and MR rows of C; the rest is what this function requires.
            unsafe { tile.compute::<KN>(MR.min(places.rows - t * MR), rest > 16) };
        }
    }
}

/// The elements of some lanes.
fn elements<KN: Kernel>(lanes: Range) -> Range {
    Range { start: lanes.start * KN::K, count: lanes.count * KN::K }
}

/// Where some rows lie, tile by tile.
#[derive(Clone, Copy)]
struct Places<'a> {
    rows: usize,
    table: &'a [*const f32],
}

/// A table that is kept for the next call; taken out meanwhile, as [`scratch::with`] does.
pub(super) fn with_table(n: usize, f: impl FnOnce(&mut [*const f32])) {
    let mut table = TABLE.with(|t| std::mem::take(&mut *t.borrow_mut()));
    if table.len() < n {
        table.resize(n, std::ptr::null());
    }
    f(&mut table[..n]);
    TABLE.with(|t| *t.borrow_mut() = table);
}

/// Up to MR rows of C, and up to NR columns.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// MR places for every tap of the block, null for zeros.
    places: *const *const f32,
    block: Block,
    /// The panel: NR lanes for every lane of the block.
    b: *const f32,
    /// Where the rows of C begin, MR of them.
    c: *const *mut f32,
    column: usize,
    columns: [__mmask16; 2],
    plus: Plus,
}

impl Tile {
    /// # Safety
    /// What the fields promise, for `1..=MR` rows; the machine has the features of `KN`.
    unsafe fn compute<KN: Gather>(self, rows: usize, wide: bool) {
        macro_rules! by_rows {
            ($v:literal: $($m:literal)*) => {
                match rows { $($m => KN::gather::<$m, $v>(self),)* rows => unreachable!("a tile of {rows} rows") }
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

/// A precision with a microkernel whose rows lie anywhere.
pub(crate) trait Gather: Kernel {
    /// `M` rows and `V` vectors of columns.
    ///
    /// # Safety
    /// As [`Tile::compute`].
    unsafe fn gather<const M: usize, const V: usize>(t: Tile);
}

macro_rules! microkernel {
    ($precision:ident, $features:literal, |$sum:ident, $a:ident, $b:ident| $multiply_add:expr) => {
        impl Gather for $precision {
            #[target_feature(enable = $features)]
            unsafe fn gather<const M: usize, const V: usize>(t: Tile) {
                let mut sums = [[_mm512_setzero_ps(); V]; M];
                let mut b = t.b;
                // SAFETY: see `Tile`: places hold the block's channels, and zeros as many; row `i` of C holds its columns, and masked lanes are not accessed.
                // Prefetching is harmless anywhere.
                unsafe {
                    for row in 0..M {
                        let c = (*t.c.add(row)).wrapping_add(t.column);
                        for j in 0..V {
                            _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(16 * j).cast());
                        }
                    }
                    for tap in 0..t.block.taps {
                        let rows: [*const f32; M] = std::array::from_fn(|row| {
                            let place = *t.places.add(tap * MR + row);
                            if place.is_null() { ZEROS.as_ptr() } else { place.add(t.block.channel) }
                        });
                        for k in 0..t.block.count {
                            let bs: [__m512; V] = std::array::from_fn(|j| _mm512_loadu_ps(b.add(16 * j)));
                            for (row, sums) in rows.iter().zip(&mut sums) {
                                let $a = _mm512_set1_ps(*row.add(k));
                                for j in 0..V {
                                    let ($sum, $b) = (sums[j], bs[j]);
                                    sums[j] = $multiply_add;
                                }
                            }
                            b = b.add(NR);
                        }
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        let c = (*t.c.add(row)).wrapping_add(t.column);
                        for (j, sum) in sums.iter().enumerate() {
                            let c = c.wrapping_add(16 * j);
                            let old = match t.plus {
                                Plus::Nothing => _mm512_setzero_ps(),
                                Plus::Content => _mm512_maskz_loadu_ps(t.columns[j], c),
                                Plus::Row(plus) => _mm512_maskz_loadu_ps(t.columns[j], plus.wrapping_add(t.column + 16 * j)),
                            };
                            _mm512_mask_storeu_ps(c, t.columns[j], _mm512_add_ps(old, *sum));
                        }
                    }
                }
            }
        }
    };
}
microkernel!(F32, "avx512f", |sum, a, b| _mm512_fmadd_ps(a, b, sum));
microkernel!(Bf16, "avx512f,avx512bf16", |sum, a, b| _mm512_dpbf16_ps(sum, pairs(a), pairs(b)));
