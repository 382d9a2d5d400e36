//! One head, backward.

use super::heads::{Geometry, SharedMut};
use super::tile::{BLOCK, Block, Scores, scores, weigh};
use crate::device::cpu::real::Real;
use crate::ops::shared::reduce::sum_of2;
use crate::versions;

/// The operands of the gradient.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a, E> {
    pub qkv: &'a [E],
    pub y: &'a [E],
    pub lse: &'a [E],
    pub d_y: &'a [E],
}

/// Elements of a thread's workspace: q, k, kᵀ, vᵀ, d_y, d_q, d_k, d_v, and the log-sum-exp and the sum of d_y · y of each row.
pub(crate) fn workspace(geometry: &Geometry) -> usize {
    8 * geometry.packed() + 2 * geometry.padded_length()
}

/// The columns of outputs and gradients are computed `W` at a time.
pub(crate) fn head<E: Real, const W: usize>(
    geometry: Geometry,
    head: usize,
    inputs: Inputs<E>,
    d_qkv: SharedMut<E>,
    add: bool,
    workspace: &mut [E],
) {
    let Geometry { length, size, causal, .. } = geometry;
    let (columns, packed) = (geometry.padded_size(), geometry.packed());
    let Inputs { qkv, y, lse, d_y } = inputs;
    let (rows, workspace) = workspace.split_at_mut(2 * geometry.padded_length());
    let mut parts = workspace.chunks_exact_mut(packed);
    let [Some(q), Some(k), Some(kt), Some(vt), Some(d_out), Some(d_q), Some(d_k), Some(d_v)] = [(); 8].map(|()| parts.next())
    else {
        return;
    };
    let (kt, vt) = (&mut kt[..geometry.padded_length() * size], &mut vt[..geometry.padded_length() * size]);
    let one = E::of(1.0);
    geometry.pack_rows(qkv, |t| geometry.qkv(0, head, t), E::of(geometry.scale()), q);
    geometry.pack_rows(qkv, |t| geometry.qkv(1, head, t), one, k);
    geometry.pack_columns(qkv, |t| geometry.qkv(1, head, t), kt);
    geometry.pack_columns(qkv, |t| geometry.qkv(2, head, t), vt);
    geometry.pack_rows(d_y, |t| geometry.output(head, t), one, d_out);
    for sums in [&mut *d_q, &mut *d_k, &mut *d_v] {
        sums.fill(E::default());
    }
    // Rows beyond the last have d_y = 0 and add nothing.
    rows.fill(E::default());
    let (row_lse, row_sum) = rows.split_at_mut(geometry.padded_length());
    row_lse[..length].copy_from_slice(&lse[head * length..(head + 1) * length]);
    for (t, sum) in row_sum[..length].iter_mut().enumerate() {
        let row = geometry.output(head, t);
        *sum = sum_of2(&d_y[row.clone()], &y[row], |d_y, y| d_y * y);
    }

    let mut p = [[E::default(); BLOCK]; BLOCK];
    let mut ds = [[E::default(); BLOCK]; BLOCK];
    for first_key in (0..length).step_by(BLOCK) {
        let queries = if causal { first_key } else { 0 };
        for first in (queries..length).step_by(BLOCK) {
            scores(&q[first * columns..], columns, &kt[first_key * size..], size, &mut p);
            scores(&d_out[first * columns..], columns, &vt[first_key * size..], size, &mut ds);
            let block = Block { first, first_key, length, causal };
            differentiate(&mut p, &mut ds, block, &row_lse[first..], &row_sum[first..]);
            weigh::<E, W>(&p, true, &d_out[first * columns..], columns, &mut d_v[first_key * columns..]);
            weigh::<E, W>(&ds, true, &q[first * columns..], columns, &mut d_k[first_key * columns..]);
            weigh::<E, W>(&ds, false, &k[first_key * columns..], columns, &mut d_q[first * columns..]);
        }
    }

    // q was packed with the scale in it, so d_k has it already.
    for (part, gradient, scale) in [(0, d_q, E::of(geometry.scale())), (1, d_k, one), (2, d_v, one)] {
        for (t, row) in gradient.chunks_exact(columns).take(length).enumerate() {
            // SAFETY: `Geometry::qkv` of different parts, heads and rows is disjoint; each head is one task's, which holds one row at a time.
            let to = unsafe { d_qkv.get(geometry.qkv(part, head, t)) };
            for (to, x) in to.iter_mut().zip(row) {
                *to = if add { *to + *x * scale } else { *x * scale };
            }
        }
    }
}

versions! {
    /// Computes from s and dp: p = e^(s - lse) for the keys that a query sees, and ds = p · (dp - sum of d_y · y).
    fn differentiate<{E: Real} {E}>(p: &mut Scores<E>, ds: &mut Scores<E>, block: Block, lse: &[E], sum: &[E]) {
        for i in 0..BLOCK {
            let (p, ds, visible) = (&mut p[i], &mut ds[i], block.visible(i));
            for j in 0..BLOCK {
                let x = (p[j] - lse[i]).exp();
                p[j] = if j < visible { x } else { E::default() };
            }
            for j in 0..BLOCK {
                ds[j] = p[j] * (ds[j] - sum[i]);
            }
        }
    }
}
