//! Loops over blocks: the order in which panels are packed, and the thread that multiplies them.

use super::kernel::{Kernel, MR, NR, Old, Range, Tile, columns};
use super::pack::Operand;
use crate::device::cpu::matmul::Each;
use crate::device::cpu::matmul::scratch;
use crate::device::cpu::matmul::scratch::Buffer;
use crate::device::cpu::matmul::team::{run_stages, threads_for};

/// C = old + A B for A `[m, k]`, B `[k, n]` and C `[m, n]`, row-major with `row_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a, A, B> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// A panel element is a row.
    pub a: A,
    /// A panel element is a column.
    pub b: B,
    pub c: Shared,
    pub row_stride: usize,
    /// The summand: one row for all rows of C, or as many rows as C has, with as many columns. It is C itself or memory that
    /// nothing writes.
    pub old: Old,
    /// Work on finished parts of rows.
    pub last: Option<Last<'a>>,
}

/// [`Finish`](crate::device::cpu::matmul::Finish), in the form that tasks share.
#[derive(Clone, Copy)]
pub(crate) struct Last<'a> {
    pub each: &'a Each<'a, f32>,
    pub c: Shared,
    /// Null, or a matrix with the layout of C.
    pub beside: Shared,
}

impl Last<'_> {
    /// Calls `each` for elements `at..at + n` of C.
    ///
    /// # Safety
    /// The elements must exist, and only the caller may access them in this stage.
    unsafe fn call(self, at: usize, n: usize) {
        let beside_n = if self.beside.0.is_null() { 0 } else { n };
        let beside = if beside_n > 0 { self.beside.at(at) } else { std::ptr::NonNull::dangling().as_ptr() };
        // SAFETY: the caller upholds this function's contract; the matrix beside C is another tensor of at least its size.
        let (c, beside) =
            unsafe { (std::slice::from_raw_parts_mut(self.c.at(at), n), std::slice::from_raw_parts_mut(beside, beside_n)) };
        (self.each)(at, c, beside);
    }
}

/// Memory that the tasks of one stage write, each its own part, and that tasks of later stages read or write again.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub *mut f32);
// SAFETY: see above; `run_stages` separates the stages.
unsafe impl Sync for Shared {}
impl Shared {
    pub(super) fn at(&self, i: usize) -> *mut f32 {
        self.0.wrapping_add(i)
    }
}

/// The places of a packed block of A, a packed block of B, and the result.
#[derive(Clone, Copy)]
struct Panels<'a> {
    lanes: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    row_stride: usize,
    old: Old,
    /// Set for the last k steps: the work on finished parts, and the place in C at which the block begins.
    last: Option<(Last<'a>, usize)>,
}

impl<A: Operand, B: Operand> Product<'_, A, B> {
    /// Computes the product. No dimension may be zero.
    ///
    /// # Safety
    /// The operands must have these shapes. C must hold `m` rows that do not overlap and that nothing else accesses. The machine
    /// must have the features of `KN`.
    pub(crate) unsafe fn run<KN: Kernel>(self) {
        let Product { m, n, k, .. } = self;
        let threads = threads_for((m * n).saturating_mul(k) / KN::K);
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            if m * n <= 1 << 18 && k >= 4096 {
                self.deep::<KN>(threads);
            } else if m >= 3 * n && n * k.div_ceil(KN::K) <= 1 << 21 {
                self.tall::<KN>(threads);
            } else {
                self.general::<KN>(threads);
            }
        }
    }

    /// Packs blocks of A once for all threads. Every thread packs its own columns of B and multiplies all rows with them. Threads
    /// that find no more columns pack the next block of A into a second buffer.
    ///
    /// # Safety
    /// As [`Product::run`].
    unsafe fn general<KN: Kernel>(self, threads: usize) {
        /// Rows of A in a block.
        const ROWS: usize = MR * 288;
        /// Rows of A packed by one task.
        const GROUP: usize = MR * 8;
        /// Size up to which a block of A has all k steps. A task then finishes its columns of C while they are in the cache.
        const WHOLE: usize = 1 << 22;
        let Product { m, n, k, .. } = self;
        let width = self.tile_width(threads);
        let depth = KN::BLOCK * KN::K;
        let span = if m * k.div_ceil(KN::K) <= WHOLE { k } else { depth };
        let spans = k.div_ceil(span);
        let blocks = m.div_ceil(ROWS) * spans;
        // Rows and k steps of a block; the k steps are cut into slices of `depth`, which lie in its buffer one after the other.
        let block = |i: usize| (part(i / spans, ROWS, m), part(i % spans, span, k));
        let slices = |steps: Range| (0..steps.count.div_ceil(depth)).map(move |i| part(i, depth, steps.count));
        let slice_at = |rows: Range, slice: Range| rows.count.next_multiple_of(MR) * (slice.start / KN::K);
        let groups = |i: usize| block(i).0.count.div_ceil(GROUP);
        let packs = |i: usize| if i < blocks { groups(i) * block(i).1.count.div_ceil(depth) } else { 0 };
        let tiles = |stage: usize| if stage > 0 { n.div_ceil(width) } else { 0 };
        let size = ROWS.min(m.next_multiple_of(MR)) * span.div_ceil(KN::K);
        scratch::with(Buffer::Shared, blocks.min(2) * size, |panels| {
            let panels = Shared(panels.as_mut_ptr());
            let buffer = |i: usize| panels.at(i % 2 * size);
            let pack = |i: usize, task: usize| {
                let (rows, steps) = block(i);
                let group = part(task % groups(i), GROUP, rows.count);
                let slice = part(task / groups(i), depth, steps.count);
                let to = buffer(i).wrapping_add(slice_at(rows, slice) + group.start * slice.count.div_ceil(KN::K));
                let at = Range { start: rows.start + group.start, count: group.count };
                // SAFETY: rows and steps lie in A. GROUP is a multiple of MR and `depth` a multiple of K, so the group's panels
                // end before those of the next group and slice, and the last panels end at `size` at the latest; no other task of
                // this stage writes them. The tasks that read this buffer ran in the stage before the last.
                unsafe { KN::pack::<A, MR>(self.a, to, at, Range { start: steps.start + slice.start, count: slice.count }) };
            };
            let multiply = |i: usize, tile: usize| {
                let (rows, steps) = block(i);
                let at = part(tile, width, n);
                scratch::with(Buffer::Right, width * KN::BLOCK, |b| {
                    for slice in slices(steps) {
                        let start = steps.start + slice.start;
                        // SAFETY: columns and steps lie in B, and `width` is a multiple of NR. Block `i` of A was packed in the
                        // previous stage. Only this task accesses these columns of C in this stage.
                        unsafe {
                            KN::pack::<B, NR>(self.b, b.as_mut_ptr(), at, Range { start, count: slice.count });
                            let place = rows.start * self.row_stride + at.start;
                            let c = self.c.at(place);
                            let panels = Panels {
                                lanes: slice.count.div_ceil(KN::K),
                                a: buffer(i).wrapping_add(slice_at(rows, slice)),
                                b: b.as_ptr(),
                                c,
                                row_stride: self.row_stride,
                                old: self.old_or_sum(start, rows.start, at.start, c),
                                last: self.last.filter(|_| start + slice.count == k).map(|last| (last, place)),
                            };
                            panels.multiply::<KN>(rows.count, at.count);
                        }
                    }
                });
            };
            run_stages(
                threads,
                blocks + 1,
                |stage| tiles(stage) + packs(stage),
                |stage, task| match task.checked_sub(tiles(stage)) {
                    None => multiply(stage - 1, task),
                    Some(task) => pack(stage, task),
                },
            );
        });
    }

    /// The summand for a product of the steps from `step` on: `old` for the first ones, then the sum so far, which is in C.
    fn old_or_sum(&self, step: usize, row: usize, column: usize, c: *const f32) -> Old {
        if step > 0 { Old { start: c, row_stride: self.row_stride } } else { self.old.at(row, column) }
    }

    /// Columns of B that a task packs, chosen so that the last thread ends as early as possible.
    fn tile_width(&self, threads: usize) -> usize {
        let ends = |width: usize| self.n.div_ceil(width).div_ceil(threads) * width;
        [4 * NR, 3 * NR, 2 * NR, NR].into_iter().min_by_key(|&width| ends(width)).unwrap_or(NR)
    }

    /// For many rows and few columns: packs all of B once for all threads. Every thread packs its own rows of A, which then stay
    /// in its second-level cache.
    ///
    /// # Safety
    /// As [`Product::run`].
    unsafe fn tall<KN: Kernel>(self, threads: usize) {
        let Product { m, n, k, .. } = self;
        let depth = KN::BLOCK * KN::K;
        let width = n.next_multiple_of(NR);
        // Rows of A packed by one task: as many as the cache holds, in equal shares.
        let most = MR * (8192 / width).clamp(4, 12);
        let height = m.div_ceil(m.div_ceil(most).next_multiple_of(threads)).next_multiple_of(MR);
        let k_blocks = k.div_ceil(depth);
        let tiles = n.div_ceil(NR);
        scratch::with(Buffer::Shared, width * k.div_ceil(KN::K), |panels| {
            let panels = Shared(panels.as_mut_ptr());
            let pack = |task: usize| {
                let steps = part(task / tiles, depth, k);
                let at = part(task % tiles, NR, n);
                let to = panels.at(width * (steps.start / KN::K) + at.start * steps.count.div_ceil(KN::K));
                // SAFETY: columns and steps lie in B; blocks of k follow each other, with `width` elements for every lane.
                unsafe { KN::pack::<B, NR>(self.b, to, at, steps) };
            };
            let multiply = |task: usize| {
                let rows = part(task, height, m);
                scratch::with(Buffer::Left, height * KN::BLOCK, |a| {
                    for steps in (0..k_blocks).map(|i| part(i, depth, k)) {
                        // SAFETY: rows and steps lie in A, and `height` is a multiple of MR. B was packed in the previous stage.
                        // Only this task accesses these rows of C.
                        unsafe {
                            KN::pack::<A, MR>(self.a, a.as_mut_ptr(), rows, steps);
                            let place = rows.start * self.row_stride;
                            let c = self.c.at(place);
                            let panels = Panels {
                                lanes: steps.count.div_ceil(KN::K),
                                a: a.as_ptr(),
                                b: panels.at(width * (steps.start / KN::K)),
                                c,
                                row_stride: self.row_stride,
                                old: self.old_or_sum(steps.start, rows.start, 0, c),
                                last: self.last.filter(|_| steps.start + steps.count == k).map(|last| (last, place)),
                            };
                            panels.multiply::<KN>(rows.count, n);
                        }
                    }
                });
            };
            let tasks = [k_blocks * tiles, m.div_ceil(height)];
            run_stages(threads, 2, |stage| tasks[stage], |stage, task| if stage == 0 { pack(task) } else { multiply(task) });
        });
    }

    /// For small results of long sums (gradients of weights): computes partial sums over slices of k, then adds them in order.
    /// The number of slices depends only on the shape.
    ///
    /// # Safety
    /// As [`Product::run`].
    unsafe fn deep<KN: Kernel>(self, threads: usize) {
        let Product { m, n, k, .. } = self;
        let depth = KN::BLOCK * KN::K;
        let (height, width) = (m.next_multiple_of(MR), n.next_multiple_of(NR));
        let slice = (k / 16).max(1024).next_multiple_of(depth);
        let slices = k.div_ceil(slice);
        scratch::with(Buffer::Shared, slices * m * width, |partial| {
            let partial = Shared(partial.as_mut_ptr());
            let multiply = |task: usize| {
                let whole = part(task, slice, k);
                scratch::with(Buffer::Left, height * KN::BLOCK, |a| {
                    scratch::with(Buffer::Right, width * KN::BLOCK, |b| {
                        for block in (0..whole.count.div_ceil(depth)).map(|i| part(i, depth, whole.count)) {
                            let steps = Range { start: whole.start + block.start, count: block.count };
                            // SAFETY: these are all rows, all columns, and steps below k; the buffers hold them as whole panels.
                            // Only this task accesses partial sum `task`, which has `m` rows of `width`.
                            unsafe {
                                KN::pack::<A, MR>(self.a, a.as_mut_ptr(), Range { start: 0, count: m }, steps);
                                KN::pack::<B, NR>(self.b, b.as_mut_ptr(), Range { start: 0, count: n }, steps);
                                let c = partial.at(task * m * width);
                                let panels = Panels {
                                    lanes: steps.count.div_ceil(KN::K),
                                    a: a.as_ptr(),
                                    b: b.as_ptr(),
                                    c,
                                    row_stride: width,
                                    old: if block.start > 0 { Old { start: c, row_stride: width } } else { Old::NONE },
                                    last: None,
                                };
                                panels.multiply::<KN>(m, n);
                            }
                        }
                    });
                });
            };
            let add_up = |row: usize| {
                // SAFETY: only this task accesses this row of C; the partial sums were written in the previous stage.
                let c = unsafe { std::slice::from_raw_parts_mut(self.c.at(row * self.row_stride), n) };
                let old = self.old.at(row, 0).start;
                if !old.is_null() && old != c.as_ptr() {
                    // SAFETY: `old` is not C here, so nothing writes that memory.
                    c.copy_from_slice(unsafe { std::slice::from_raw_parts(old, n) });
                }
                for task in 0..slices {
                    // SAFETY: as above.
                    let sum = unsafe { std::slice::from_raw_parts(partial.at((task * m + row) * width), n) };
                    if task == 0 && old.is_null() {
                        c.copy_from_slice(sum);
                    } else {
                        c.iter_mut().zip(sum).for_each(|(c, s)| *c += s);
                    }
                }
                if let Some(last) = self.last {
                    // SAFETY: as above.
                    unsafe { last.call(row * self.row_stride, n) };
                }
            };
            let tasks = [slices, m];
            run_stages(threads, 2, |stage| tasks[stage], |stage, task| if stage == 0 { multiply(task) } else { add_up(task) });
        });
    }
}

impl Panels<'_> {
    /// C = old + A B for packed blocks of `m` rows and `n` columns. A panel of B stays in the first-level cache while the panels
    /// of A, 288 rows at a time, come from the second-level cache.
    ///
    /// # Safety
    /// The panels must be packed. Only the caller may access these `m` rows of `n` columns of C. The machine must have the
    /// features of `KN`.
    unsafe fn multiply<KN: Kernel>(self, m: usize, n: usize) {
        const ROWS: usize = MR * 24;
        for start in (0..m).step_by(ROWS) {
            for j in (0..n).step_by(NR) {
                for i in (start..m.min(start + ROWS)).step_by(MR) {
                    let tile = Tile {
                        lanes: self.lanes,
                        a: self.a.wrapping_add(i * self.lanes),
                        b: self.b.wrapping_add(j * self.lanes),
                        c: self.c.wrapping_add(i * self.row_stride + j),
                        row_stride: self.row_stride,
                        columns: columns(n - j),
                        old: self.old.at(i, j),
                    };
                    // SAFETY: panel `i / MR` of A and panel `j / NR` of B have `lanes` lanes each; rows and columns lie below m
                    // and n of C.
                    unsafe { KN::tile(MR.min(m - i), tile) };
                }
            }
            if let Some((last, place)) = self.last {
                for i in start..m.min(start + ROWS) {
                    // SAFETY: this is a row of the block that was just written.
                    unsafe { last.call(place + i * self.row_stride, n) };
                }
            }
        }
    }
}

/// Part `i` of an axis of length `whole` that is split into parts of `size`.
pub(super) fn part(i: usize, size: usize, whole: usize) -> Range {
    Range { start: i * size, count: size.min(whole - i * size) }
}
