//! The passes on the CPU, head by head and block by block, with the products of the other kinds of attention.

#![allow(clippy::needless_range_loop)] // Kernels index several arrays alike.

use super::sight::Sight;
use super::{Arguments, Gradients};
use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Level, level};
use crate::device::cpu::threads::each;
use crate::ops::shared::attend::heads::SharedMut;
use crate::ops::shared::attend::tile::{BLOCK, NARROW, Scores, WIDE, scores, weigh};
use crate::ops::shared::reduce::sum_of2;
use crate::tensor::Tensor;
use crate::tensor::noise::GROUP;
use crate::versions;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The operands of the backward pass.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a, E> {
    pub arguments: Arguments<&'a [E]>,
    pub y: &'a [E],
    pub lse: &'a [E],
    pub d_y: &'a [E],
}

/// Columns of a register tile of outputs.
fn columns(sight: &Sight) -> usize {
    if sight.size <= NARROW || level() < Level::Avx512 { NARROW } else { WIDE }
}

/// SIZE in whole register tiles.
fn padded_size(sight: &Sight) -> usize {
    sight.size.next_multiple_of(columns(sight))
}

/// Elements of so many rows of a head, packed with padding.
fn packed(sight: &Sight, rows: usize) -> usize {
    rows.next_multiple_of(BLOCK) * padded_size(sight)
}

/// Elements of a thread's workspace: q, kᵀ, v, and a block of outputs.
pub(super) fn forward_workspace(sight: &Sight) -> usize {
    packed(sight, sight.queries) + 2 * packed(sight, sight.keys) + BLOCK * padded_size(sight)
}

/// Elements of a thread's workspace: q, d_y and d_q; k, kᵀ, vᵀ, d_k and d_v; the log-sum-exp and the sum of d_y · y of each row.
pub(super) fn backward_workspace(sight: &Sight) -> usize {
    3 * packed(sight, sight.queries) + 5 * packed(sight, sight.keys) + 2 * sight.queries.next_multiple_of(BLOCK)
}

/// Calls `work` for every task, each with the workspace of the thread that took it.
fn for_each<E: Real>(tasks: usize, slots: usize, workspace: &mut [E], work: impl Fn(usize, &mut [E]) + Sync) {
    let next = AtomicUsize::new(0);
    each(workspace.chunks_mut((workspace.len() / slots).max(1)), |workspace| {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                break;
            }
            work(task, workspace);
        }
    });
}

/// Cuts parts off the front of a slice.
fn cut<'a, E>(rest: &mut &'a mut [E], length: usize) -> &'a mut [E] {
    let (part, after) = std::mem::take(rest).split_at_mut(length);
    *rest = after;
    part
}

/// Packs rows, with padding, times a factor. `from` gives the place of row t.
fn pack_rows<E: Real>(x: &[E], rows: usize, from: impl Fn(usize) -> Range<usize>, width: usize, factor: E, to: &mut [E]) {
    let (there, padding) = to.split_at_mut(rows * width);
    padding.fill(E::default());
    for (t, row) in there.chunks_exact_mut(width).enumerate() {
        let x = &x[from(t)];
        let (row, padding) = row.split_at_mut(x.len());
        padding.fill(E::default());
        for (to, x) in row.iter_mut().zip(x) {
            *to = *x * factor;
        }
    }
}

/// Packs rows transposed, \[rows / BLOCK, SIZE, BLOCK\] with padding.
fn pack_columns<E: Real>(x: &[E], rows: usize, from: impl Fn(usize) -> Range<usize>, size: usize, to: &mut [E]) {
    for (block, to) in to.chunks_exact_mut(size * BLOCK).take(rows.div_ceil(BLOCK)).enumerate() {
        let there = BLOCK.min(rows - block * BLOCK);
        if there < BLOCK {
            to.fill(E::default());
        }
        for j in 0..there {
            for (to, x) in to[j..].iter_mut().step_by(BLOCK).zip(&x[from(block * BLOCK + j)]) {
                *to = *x;
            }
        }
    }
}

/// The head of one sequence.
#[derive(Clone, Copy)]
struct Head {
    sight: Sight,
    b: usize,
    head: usize,
}

/// A block of scores: its first query and its first key.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    first_key: usize,
}

impl Head {
    /// The blocks of keys that a block of queries meets.
    fn key_blocks(self, first: usize) -> impl Iterator<Item = usize> {
        let last = (first + BLOCK).min(self.sight.queries) - 1;
        let (from, to) = (self.sight.seen(first).start, self.sight.seen(last).end);
        (from / BLOCK * BLOCK..to.max(from)).step_by(BLOCK)
    }

    /// The rest of the scores: biases, and −infinity for the keys that a query does not see.
    fn finish<E: Real>(self, s: &mut Scores<E>, block: Block, arguments: &Arguments<&[E]>) {
        let Head { sight, b, head } = self;
        let Block { first, first_key } = block;
        let keys = BLOCK.min(sight.keys - first_key.min(sight.keys));
        for i in 0..BLOCK {
            let (row, query) = (&mut s[i], first + i);
            let seen = if query < sight.queries { sight.seen(query) } else { 0..0 };
            let from = seen.start.saturating_sub(first_key).min(keys);
            let to = seen.end.saturating_sub(first_key).clamp(from, keys);
            row[..from].fill(E::of(f64::NEG_INFINITY));
            row[to..].fill(E::of(f64::NEG_INFINITY));
            let row = &mut row[from..to];
            let first = first_key + from;
            if row.is_empty() {
                continue;
            }
            if let Some(bias) = arguments.bias {
                let start = (head * sight.queries + query) * sight.keys + first;
                row.iter_mut().zip(&bias[start..]).for_each(|(s, bias)| *s += *bias);
            }
            if let Some(slopes) = arguments.slopes {
                let place = sight.place(query);
                for (j, s) in row.iter_mut().enumerate() {
                    *s -= slopes[head] * E::of(place.abs_diff((first + j) as isize) as f64);
                }
            }
            let hide = |s: &mut E, hidden: bool| {
                if hidden {
                    *s = E::of(f64::NEG_INFINITY);
                }
            };
            if let Some(mask) = arguments.mask {
                row.iter_mut().zip(&mask[b * sight.keys + first..]).for_each(|(s, m)| hide(s, *m == E::default()));
            }
            if let Some(segments) = arguments.segments {
                let segments = &segments[b * sight.keys..][..sight.keys];
                row.iter_mut().zip(&segments[first..]).for_each(|(s, other)| hide(s, *other != segments[query]));
            }
        }
    }

    /// Multiplies weights, or their gradients, by the mask of dropout.
    fn drop<E: Real>(self, x: &mut Scores<E>, Block { first, first_key }: Block) {
        let Head { sight, b, head } = self;
        let Some(dropout) = sight.dropout else { return };
        let scale = E::of(dropout.scale);
        for i in 0..BLOCK.min(sight.queries - first) {
            let start = (((b * sight.heads + head) * sight.queries + first + i) * sight.keys + first_key) as u64;
            let mut words = dropout.noise.words(start / GROUP as u64);
            for (j, x) in x[i].iter_mut().enumerate().take(sight.keys - first_key) {
                let element = start + j as u64;
                if j > 0 && element.is_multiple_of(GROUP as u64) {
                    words = dropout.noise.words(element / GROUP as u64);
                }
                let stays = words[(element % GROUP as u64) as usize] >= dropout.threshold;
                *x = if stays { *x * scale } else { E::default() };
            }
        }
    }
}

pub(super) fn forward<E: Real>(
    sight: Sight,
    arguments: Arguments<&[E]>,
    y: &mut Tensor,
    lse: &mut Tensor,
    workspace: &mut Tensor,
) {
    let heads = sight.batch * sight.heads;
    let (y, lse) = (SharedMut::new(y.as_mut_slice::<E>()), SharedMut::new(lse.as_mut_slice::<E>()));
    for_each(heads, sight.slots(heads), workspace.as_mut_slice::<E>(), |task, workspace| {
        let head = Head { sight, b: task / sight.heads, head: task % sight.heads };
        match columns(&sight) {
            WIDE => forward_head::<E, WIDE>(head, arguments, y, lse, workspace),
            _ => forward_head::<E, NARROW>(head, arguments, y, lse, workspace),
        }
    });
}

fn forward_head<E: Real, const W: usize>(
    of: Head,
    arguments: Arguments<&[E]>,
    y: SharedMut<E>,
    lse: SharedMut<E>,
    mut workspace: &mut [E],
) {
    let Head { sight, b, head } = of;
    let (width, size, kv) = (padded_size(&sight), sight.size, head / sight.group());
    let q = cut(&mut workspace, packed(&sight, sight.queries));
    let kt = cut(&mut workspace, packed(&sight, sight.keys));
    let v = cut(&mut workspace, packed(&sight, sight.keys));
    let sums = cut(&mut workspace, BLOCK * width);
    pack_rows(arguments.q, sight.queries, |t| sight.query_row(b, head, t), width, E::of(sight.scale()), q);
    pack_columns(arguments.k, sight.keys, |t| sight.key_row(b, kv, t), size, kt);
    pack_rows(arguments.v, sight.keys, |t| sight.key_row(b, kv, t), width, E::of(1.0), v);
    let start = (b * sight.heads + head) * sight.queries;
    // SAFETY: ranges of different heads are disjoint, `for_each` gives each head to one task, and a task takes its range once.
    let lse = unsafe { lse.get(start..start + sight.queries) };

    let mut p = [[E::default(); BLOCK]; BLOCK];
    for first in (0..sight.queries).step_by(BLOCK) {
        let mut max = [E::of(f64::NEG_INFINITY); BLOCK];
        let mut total = [E::default(); BLOCK];
        sums.fill(E::default());
        for first_key in of.key_blocks(first) {
            let block = Block { first, first_key };
            scores(&q[first * width..], width, &kt[first_key * size..], size, &mut p);
            of.finish(&mut p, block, &arguments);
            soften(&mut p, &mut max, &mut total, sums);
            of.drop(&mut p, block);
            weigh::<E, W>(&p, false, &v[first_key * width..], width, sums);
        }
        for i in 0..BLOCK.min(sight.queries - first) {
            // A query that sees no key has the sum 0; NaN stays NaN.
            let blind = total[i] == E::default();
            // SAFETY: rows of different heads and queries are disjoint; each head is one task's, which holds one row at a time.
            let y = unsafe { y.get(sight.query_row(b, head, first + i)) };
            for (y, x) in y.iter_mut().zip(&sums[i * width..]) {
                *y = if blind { E::default() } else { *x / total[i] };
            }
            lse[first + i] = if blind { E::of(f64::INFINITY) } else { max[i] + total[i].ln() };
        }
    }
}

versions! {
    /// p = e^(s - max), with the running maximum and sum of each query. The sums under a smaller maximum shrink.
    fn soften<{E: Real} {E}>(p: &mut Scores<E>, max: &mut [E; BLOCK], total: &mut [E; BLOCK], sums: &mut [E]) {
        let columns = sums.len() / BLOCK;
        for (i, (p, sums)) in p.iter_mut().zip(sums.chunks_exact_mut(columns)).enumerate() {
            let top = p.iter().fold(max[i], |top, s| s.max(top));
            // A query that has seen no key yet has no maximum to refer to.
            let base = if top == E::of(f64::NEG_INFINITY) { E::default() } else { top };
            let shrink = (max[i] - base).exp();
            max[i] = top;
            for x in sums {
                *x *= shrink;
            }
            let mut sum = E::default();
            for x in p {
                *x = (*x - base).exp();
                sum += *x;
            }
            total[i] = total[i] * shrink + sum;
        }
    }
}

/// The gradients as slices that tasks share.
#[derive(Clone, Copy)]
struct Sums<'a, E> {
    q: Option<(SharedMut<'a, E>, bool)>,
    k: Option<(SharedMut<'a, E>, bool)>,
    v: Option<(SharedMut<'a, E>, bool)>,
    bias: Option<(SharedMut<'a, E>, bool)>,
    slopes: Option<(SharedMut<'a, E>, bool)>,
}

pub(super) fn backward<E: Real>(sight: Sight, inputs: Inputs<E>, gradients: Gradients, workspace: &mut Tensor) {
    let shared = gradients.are_shared();
    let tasks = sight.backward_tasks(shared);
    fn slice<'a, E: Real>(gradient: Option<(&'a mut Tensor, bool)>) -> Option<(SharedMut<'a, E>, bool)> {
        gradient.map(|(x, add)| (SharedMut::new(x.as_mut_slice::<E>()), add))
    }
    let Gradients { q, k, v, bias, slopes } = gradients;
    let sums = Sums { q: slice(q), k: slice(k), v: slice(v), bias: slice(bias), slopes: slice(slopes) };
    for_each(tasks, sight.slots(tasks), workspace.as_mut_slice::<E>(), |task, workspace| {
        let (batches, kv) = if shared {
            (0..sight.batch, task)
        } else {
            (task / sight.kv_heads..task / sight.kv_heads + 1, task % sight.kv_heads)
        };
        for b in batches {
            match columns(&sight) {
                WIDE => backward_head::<E, WIDE>(sight, b, kv, inputs, sums, workspace),
                _ => backward_head::<E, NARROW>(sight, b, kv, inputs, sums, workspace),
            }
        }
    });
}

/// One head of keys and values of one sequence, with the heads of queries that share it.
fn backward_head<E: Real, const W: usize>(
    sight: Sight,
    b: usize,
    kv: usize,
    inputs: Inputs<E>,
    gradients: Sums<E>,
    mut workspace: &mut [E],
) {
    let Inputs { arguments, y, lse, d_y } = inputs;
    let (width, size, rows) = (padded_size(&sight), sight.size, sight.queries.next_multiple_of(BLOCK));
    let [q, d_out, d_q] = [(); 3].map(|()| cut(&mut workspace, packed(&sight, sight.queries)));
    let [k, kt, vt, d_k, d_v] = [(); 5].map(|()| cut(&mut workspace, packed(&sight, sight.keys)));
    let [row_lse, row_sum] = [(); 2].map(|()| cut(&mut workspace, rows));
    let (one, scale) = (E::of(1.0), E::of(sight.scale()));
    pack_rows(arguments.k, sight.keys, |t| sight.key_row(b, kv, t), width, one, k);
    pack_columns(arguments.k, sight.keys, |t| sight.key_row(b, kv, t), size, kt);
    pack_columns(arguments.v, sight.keys, |t| sight.key_row(b, kv, t), size, vt);
    d_k.fill(E::default());
    d_v.fill(E::default());

    let mut p = [[E::default(); BLOCK]; BLOCK];
    let mut ds = [[E::default(); BLOCK]; BLOCK];
    for head in kv * sight.group()..(kv + 1) * sight.group() {
        let of = Head { sight, b, head };
        pack_rows(arguments.q, sight.queries, |t| sight.query_row(b, head, t), width, scale, q);
        pack_rows(d_y, sight.queries, |t| sight.query_row(b, head, t), width, one, d_out);
        d_q.fill(E::default());
        // Rows beyond the last see no key and add nothing.
        row_lse.fill(E::of(f64::INFINITY));
        row_sum.fill(E::default());
        let start = (b * sight.heads + head) * sight.queries;
        row_lse[..sight.queries].copy_from_slice(&lse[start..start + sight.queries]);
        for (t, sum) in row_sum[..sight.queries].iter_mut().enumerate() {
            let row = sight.query_row(b, head, t);
            *sum = sum_of2(&d_y[row.clone()], &y[row], |d_y, y| d_y * y);
        }
        if let Some((bias, false)) = gradients.bias.filter(|_| b == 0) {
            let length = sight.queries * sight.keys;
            // SAFETY: the bias of a head is one task's, which holds a part of it once at a time.
            unsafe { bias.get(head * length..(head + 1) * length) }.fill(E::default());
        }
        let mut d_slope = 0.0;
        for first in (0..sight.queries).step_by(BLOCK) {
            for first_key in of.key_blocks(first) {
                let block = Block { first, first_key };
                scores(&q[first * width..], width, &kt[first_key * size..], size, &mut p);
                of.finish(&mut p, block, &arguments);
                scores(&d_out[first * width..], width, &vt[first_key * size..], size, &mut ds);
                of.drop(&mut ds, block);
                differentiate(&mut p, &mut ds, &row_lse[first..], &row_sum[first..]);
                of.drop(&mut p, block);
                weigh::<E, W>(&p, true, &d_out[first * width..], width, &mut d_v[first_key * width..]);
                weigh::<E, W>(&ds, true, &q[first * width..], width, &mut d_k[first_key * width..]);
                weigh::<E, W>(&ds, false, &k[first_key * width..], width, &mut d_q[first * width..]);
                if let Some((bias, _)) = gradients.bias {
                    of.add_bias(&ds, block, bias);
                }
                if gradients.slopes.is_some() {
                    d_slope += of.slope(&ds, block);
                }
            }
        }
        if let Some((d, add)) = gradients.q {
            give(d, sight.queries, |t| sight.query_row(b, head, t), d_q, (width, scale), add);
        }
        if let Some((d, add)) = gradients.slopes {
            // SAFETY: the slope of a head is one task's, which holds it once at a time.
            let d = unsafe { d.get(head..head + 1) };
            d[0] = if add || b > 0 { d[0] + E::of(d_slope) } else { E::of(d_slope) };
        }
    }
    // q was packed with the scale in it, so d_k has it already.
    for (gradient, sums) in [(gradients.k, d_k), (gradients.v, d_v)] {
        if let Some((d, add)) = gradient {
            give(d, sight.keys, |t| sight.key_row(b, kv, t), sums, (width, one), add);
        }
    }
}

/// Writes or adds rows of sums, times a factor, to their places.
fn give<E: Real>(
    to: SharedMut<E>,
    rows: usize,
    place: impl Fn(usize) -> Range<usize>,
    sums: &[E],
    (width, factor): (usize, E),
    add: bool,
) {
    for (t, row) in sums.chunks_exact(width).take(rows).enumerate() {
        // SAFETY: rows of different heads and places are disjoint; each head is one task's, which holds one row at a time.
        let to = unsafe { to.get(place(t)) };
        for (to, x) in to.iter_mut().zip(row) {
            *to = if add { *to + *x * factor } else { *x * factor };
        }
    }
}

impl Head {
    /// Adds the gradients of scores to that of the bias.
    fn add_bias<E: Real>(self, ds: &Scores<E>, Block { first, first_key }: Block, bias: SharedMut<E>) {
        let Head { sight, head, .. } = self;
        for i in 0..BLOCK.min(sight.queries - first) {
            let start = (head * sight.queries + first + i) * sight.keys;
            // SAFETY: rows of the bias of different heads are disjoint; each head is one task's, which holds one row at a time.
            let row = unsafe { bias.get(start + first_key..start + sight.keys) };
            for (to, ds) in row.iter_mut().zip(&ds[i]) {
                *to += *ds;
            }
        }
    }

    /// The sum of −distance · ds.
    fn slope<E: Real>(self, ds: &Scores<E>, Block { first, first_key }: Block) -> f64 {
        let mut sum = 0.0;
        for i in 0..BLOCK.min(self.sight.queries - first) {
            let place = self.sight.place(first + i);
            for j in 0..BLOCK.min(self.sight.keys - first_key) {
                sum -= place.abs_diff((first_key + j) as isize) as f64 * ds[i][j].to_f64();
            }
        }
        sum
    }
}

versions! {
    /// Computes from s and dp: p = e^(s - lse), and ds = p · (dp - sum of d_y · y).
    fn differentiate<{E: Real} {E}>(p: &mut Scores<E>, ds: &mut Scores<E>, lse: &[E], sum: &[E]) {
        for i in 0..BLOCK {
            let (p, ds) = (&mut p[i], &mut ds[i]);
            for j in 0..BLOCK {
                p[j] = (p[j] - lse[i]).exp();
                ds[j] = p[j] * (ds[j] - sum[i]);
            }
        }
    }
}
