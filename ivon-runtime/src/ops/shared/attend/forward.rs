//! One head, forward.

use super::heads::{Geometry, SharedMut};
use super::tile::{BLOCK, Block, Scores, scores, weigh};
use crate::device::cpu::real::Real;
use crate::versions;

/// Elements of a thread's workspace: qᵀ, k, v, and a block of outputs.
pub(crate) fn workspace(geometry: &Geometry) -> usize {
    3 * geometry.packed() + BLOCK * geometry.padded_size()
}

/// The columns of outputs and gradients are computed `W` at a time.
pub(crate) fn head<E: Real, const W: usize>(
    geometry: Geometry,
    head: usize,
    qkv: &[E],
    y: SharedMut<E>,
    lse: SharedMut<E>,
    workspace: &mut [E],
) {
    let Geometry { length, size, causal, .. } = geometry;
    let (columns, packed) = (geometry.padded_size(), geometry.packed());
    let (q, rest) = workspace.split_at_mut(packed);
    let (k, rest) = rest.split_at_mut(packed);
    let (v, sums) = rest.split_at_mut(packed);
    let q = &mut q[..geometry.padded_length() * size];
    geometry.pack_columns(qkv, |t| geometry.qkv(0, head, t), q);
    geometry.pack_rows(qkv, |t| geometry.qkv(1, head, t), E::of(geometry.scale()), k);
    geometry.pack_rows(qkv, |t| geometry.qkv(2, head, t), E::of(1.0), v);
    // SAFETY: ranges of different heads are disjoint, `for_each_head` gives each head to one task, and a task takes its range once.
    let lse = unsafe { lse.get(head * length..(head + 1) * length) };

    let mut p = [[E::default(); BLOCK]; BLOCK];
    for first in (0..length).step_by(BLOCK) {
        let mut max = [E::of(f64::NEG_INFINITY); BLOCK];
        let mut total = [E::default(); BLOCK];
        sums.fill(E::default());
        let keys = if causal { first + 1 } else { length };
        for first_key in (0..keys).step_by(BLOCK) {
            // A row for each key: what concerns a query is then the same lane of all rows.
            scores(&k[first_key * columns..], columns, &q[first * size..], size, &mut p);
            let block = Block { first, first_key, length, causal };
            soften(&mut p, block, &mut max, &mut total, sums);
            weigh::<E, W>(&p, true, &v[first_key * columns..], columns, sums);
        }
        for i in 0..BLOCK.min(length - first) {
            let scale = E::of(1.0) / total[i];
            // SAFETY: `Geometry::output` of different heads and rows is disjoint; each head is one task's, which holds one row at a time.
            let y = unsafe { y.get(geometry.output(head, first + i)) };
            for (y, x) in y.iter_mut().zip(&sums[i * columns..]) {
                *y = *x * scale;
            }
            lse[first + i] = max[i] + total[i].ln();
        }
    }
}

versions! {
    /// p = e^(s - max) of the keys that a query sees, with the running maximum and sum of each query; what was summed under a smaller
    /// maximum shrinks.
    fn soften<{E: Real} {E}>(p: &mut Scores<E>, block: Block, max: &mut [E; BLOCK], total: &mut [E; BLOCK], sums: &mut [E]) {
        let columns = sums.len() / BLOCK;
        let mut new = *max;
        for j in 0..BLOCK {
            let unseen = block.unseen_by(j);
            for i in 0..BLOCK {
                p[j][i] = if i < unseen { E::of(f64::NEG_INFINITY) } else { p[j][i] };
                new[i] = p[j][i].max(new[i]);
            }
        }
        let mut shrink = *max;
        for i in 0..BLOCK {
            shrink[i] = (shrink[i] - new[i]).exp();
        }
        *max = new;
        for i in 0..BLOCK {
            total[i] *= shrink[i];
        }
        for (sums, shrink) in sums.chunks_exact_mut(columns).zip(shrink) {
            for x in sums {
                *x *= shrink;
            }
        }
        for j in 0..BLOCK {
            for i in 0..BLOCK {
                p[j][i] = (p[j][i] - new[i]).exp();
                total[i] += p[j][i];
            }
        }
    }
}
