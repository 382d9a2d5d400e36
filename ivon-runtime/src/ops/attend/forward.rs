//! One head, forward.

use super::heads::{Geometry, SharedMut};
use super::tile::{BLOCK, Block, Scores, scores, weigh};
use crate::ops::reduce::{max_of, sum_of};
use crate::{Real, versions};

/// Elements of a thread's workspace: q, kᵀ, v, and a block of outputs.
pub(super) fn workspace(geometry: &Geometry) -> usize {
    3 * geometry.packed() + BLOCK * geometry.padded_size()
}

/// The columns of outputs and gradients are computed `W` at a time.
pub(super) fn head<E: Real, const W: usize>(
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
    let k = &mut k[..geometry.padded_length() * size];
    geometry.pack_rows(qkv, |t| geometry.qkv(0, head, t), E::of(geometry.scale()), q);
    geometry.pack_columns(qkv, |t| geometry.qkv(1, head, t), k);
    geometry.pack_rows(qkv, |t| geometry.qkv(2, head, t), E::of(1.0), v);
    // SAFETY: these are the rows of this head, and no other task has the same head.
    let lse = unsafe { lse.get(head * length..(head + 1) * length) };

    let mut p = [[E::default(); BLOCK]; BLOCK];
    for first in (0..length).step_by(BLOCK) {
        let mut max = [E::of(f64::NEG_INFINITY); BLOCK];
        let mut total = [E::default(); BLOCK];
        sums.fill(E::default());
        let keys = if causal { first + 1 } else { length };
        for first_key in (0..keys).step_by(BLOCK) {
            scores(&q[first * columns..], columns, &k[first_key * size..], size, &mut p);
            let block = Block { first, first_key, length, causal };
            soften(&mut p, block, &mut max, &mut total, sums);
            weigh::<E, W>(&p, false, &v[first_key * columns..], columns, sums);
        }
        for i in 0..BLOCK.min(length - first) {
            let scale = E::of(1.0) / total[i];
            // SAFETY: as above.
            let y = unsafe { y.get(geometry.output(head, first + i)) };
            for (y, x) in y.iter_mut().zip(&sums[i * columns..]) {
                *y = *x * scale;
            }
            lse[first + i] = max[i] + total[i].ln();
        }
    }
}

versions! {
    /// p = e^(s - max) of the keys that a query sees, with the running maximum and sum of each; what was summed under a smaller maximum
    /// shrinks.
    fn soften<{E: Real} {E}>(p: &mut Scores<E>, block: Block, max: &mut [E; BLOCK], total: &mut [E; BLOCK], sums: &mut [E]) {
        let columns = sums.len() / BLOCK;
        for i in 0..BLOCK {
            let (p, visible) = (&mut p[i], block.visible(i));
            for j in 0..BLOCK {
                p[j] = if j < visible { p[j] } else { E::of(f64::NEG_INFINITY) };
            }
            let new = max_of(p).max(max[i]);
            let shrink = (max[i] - new).exp();
            for x in p.iter_mut() {
                *x = (*x - new).exp();
            }
            total[i] = total[i] * shrink + sum_of(p, |x| x);
            max[i] = new;
            for x in &mut sums[i * columns..][..columns] {
                *x *= shrink;
            }
        }
    }
}
