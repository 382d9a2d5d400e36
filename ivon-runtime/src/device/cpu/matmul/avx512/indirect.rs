//! Products whose rows lie anywhere in memory: convolutions without a matrix of patches.
//!
//! After Dukhan, "The Indirect Convolution Algorithm" (2019). Row `i` of A consists of one stretch of `channels` elements for
//! every tap of a window, and a table holds the start of each stretch. The microkernel broadcasts lanes of A from their place in
//! memory, so only B, the weights, is packed. A lane is one f32 or two neighbouring bf16: A lies in memory in the precision of
//! the product. An element of C is summed in the same order for every choice of tasks: over taps and channels, in blocks of a
//! fixed size.

use super::drivers::{Shared, part};
use super::kernel::{Bf16, F32, Kernel, MR, NR, Range, columns, pairs};
use super::pack::Operand;
use crate::device::cpu::matmul::scratch;
use crate::device::cpu::matmul::scratch::Buffer;
use crate::device::cpu::matmul::team::{run_stages, threads_for};
use std::arch::x86_64::*;
use std::cell::RefCell;

/// The places of the rows of A and C: one row for every pixel of some images.
pub(crate) trait Rows: Copy + Sync {
    /// Height and width of an image.
    fn grid(&self) -> [usize; 2];
    /// Calls `input(tap, start)` with the place of every tap of the pixel that lies in the image. Returns the place of the
    /// pixel's row of C.
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

    /// The pixel after this one.
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
    /// The old content of the row.
    Content,
    /// This row, as long as a row of C. Nothing may write it.
    Row(*const f32),
}

// SAFETY: a `Plus` only points to memory that is read and that nothing writes, see above.
unsafe impl Sync for Plus {}

/// C = plus + A B. A has `rows` rows of `taps` stretches of `channels` lanes. B has a row for each of these lanes, and `columns`
/// columns.
#[derive(Clone, Copy)]
pub(crate) struct Indirect<R, B> {
    /// The number of pixels.
    pub rows: usize,
    pub columns: usize,
    pub taps: usize,
    pub channels: usize,
    pub places: R,
    /// k runs over (tap, channel), element by element. A panel element is a column.
    pub b: B,
    pub plus: Plus,
}

/// Channels that are summed before the next block of channels begins: a panel of B then stays in the first-level cache.
const BLOCK: usize = <F32 as Kernel>::BLOCK;
/// Rows per task.
const ROWS: usize = 20 * MR;
/// With at most this many rows, and at least `MANY_WEIGHTS` weights, which do not fit a cache, a task computes all rows of some
/// columns.
const FEW_ROWS: usize = 800;
const MANY_WEIGHTS: usize = 1 << 20;
/// Columns of such a task.
const COLUMNS: usize = 4 * NR;
/// Zeros for taps outside of the image.
static ZEROS: [f32; BLOCK] = [0.0; BLOCK];

thread_local!(static TABLE: RefCell<Vec<*const f32>> = const { RefCell::new(vec![]) });

/// A block of k, in lanes: `count` channels from `channel` on, of `taps` taps from `tap` on.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    tap: usize,
    taps: usize,
    channel: usize,
    count: usize,
}

impl<R: Rows, B: Operand> Indirect<R, B> {
    /// Returns block `i` of k: several taps with all of their few channels, or a part of the many channels of one tap.
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

    /// Computes the product. No dimension may be zero.
    ///
    /// # Safety
    /// Every place that `places` returns must hold `channels` lanes to read, or `columns` elements of C that nothing else
    /// accesses. Rows of C must not overlap. `b` must have the elements described above. The machine must have the features of
    /// `KN`.
    pub(crate) unsafe fn run<KN: Gather>(self) {
        let k = self.taps * self.channels;
        let threads = threads_for((self.rows * self.columns).saturating_mul(k));
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            match self.rows <= FEW_ROWS && self.columns * k >= MANY_WEIGHTS {
                true => self.by_columns::<KN>(threads),
                false => self.by_rows::<KN>(threads),
            }
        }
    }

    /// Packs all of B once for all threads; tasks share the rows.
    ///
    /// # Safety
    /// As [`Indirect::run`].
    unsafe fn by_rows<KN: Gather>(self, threads: usize) {
        let Indirect { rows, columns: n, taps, channels, .. } = self;
        let (tiles, width) = (n.div_ceil(NR), n.next_multiple_of(NR));
        // Equal shares, the same number for every thread.
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
                            // SAFETY: B was packed in the previous stage. Only this task accesses these rows of C. The caller
                            // upholds the rest of the contract.
                            unsafe { self.multiply::<KN>(places, i, panels.at(width * k.start + column * k.count), column) };
                        }
                    }
                });
            };
            let tasks = [self.blocks() * tiles, rows.div_ceil(height)];
            run_stages(threads, 2, |stage| tasks[stage], |stage, task| if stage == 0 { pack(task) } else { multiply(task) });
        });
    }

    /// For few rows and many weights: the weights pass through the cache once. Every task packs its own columns and computes all
    /// rows.
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
                            // SAFETY: columns and steps lie in B, and a block has at most `BLOCK` steps. Only this task accesses
                            // these columns of C. The caller upholds the rest of the contract.
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

    /// Returns the lanes of k in a block.
    fn steps(&self, block: Block) -> Range {
        Range { start: block.tap * self.channels + block.channel, count: block.taps * block.count }
    }

    /// Calls `f` with the places of these rows. For every tile of MR rows there are `taps` times MR places of A, and MR places of
    /// C.
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

    /// C += block `i` of A times the panel `b`, for some rows and the columns from `column` on. The first block computes C = plus
    /// + its product.
    ///
    /// # Safety
    /// `b` must hold NR elements for every step of the block. Only the caller may access these columns of these rows of C. For
    /// the rest see [`Indirect::run`].
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
            // SAFETY: the table holds MR places for each of the block's taps, and MR rows of C. The caller upholds the rest of
            // the contract.
            unsafe { tile.compute::<KN>(MR.min(places.rows - t * MR), rest > 16) };
        }
    }
}

/// Converts lanes to elements.
fn elements<KN: Kernel>(lanes: Range) -> Range {
    Range { start: lanes.start * KN::K, count: lanes.count * KN::K }
}

/// The places of some rows, tile by tile.
#[derive(Clone, Copy)]
struct Places<'a> {
    rows: usize,
    table: &'a [*const f32],
}

/// Calls `f` with a table that is kept for the next call. Meanwhile it is taken out, as in [`scratch::with`].
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
    /// MR places for every tap of the block; null for zeros.
    places: *const *const f32,
    block: Block,
    /// The panel: NR lanes for every lane of the block.
    b: *const f32,
    /// The places at which the MR rows of C begin.
    c: *const *mut f32,
    column: usize,
    columns: [__mmask16; 2],
    plus: Plus,
}

impl Tile {
    /// # Safety
    /// The fields must hold what their comments say, for `rows` in `1..=MR`. The machine must have the features of `KN`.
    unsafe fn compute<KN: Gather>(self, rows: usize, wide: bool) {
        macro_rules! by_rows {
            ($v:literal: $($m:literal)*) => {
                match rows { $($m => KN::gather::<$m, $v>(self),)* rows => unreachable!("a tile of {rows} rows") }
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

/// A precision with a microkernel for rows that lie anywhere.
pub(crate) trait Gather: Kernel {
    /// Computes `M` rows and `V` vectors of columns.
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
                // SAFETY: see `Tile`: every place holds the block's channels, and the zeros are as many. Row `i` of C holds its
                // columns, and masked lanes are not accessed. Prefetching is harmless at any address.
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
