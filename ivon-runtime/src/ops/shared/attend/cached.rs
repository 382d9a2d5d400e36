//! Attention of a few new positions to all before them, whose keys and values a cache holds.

use super::heads::{Geometry, SharedMut};
use crate::context::Context;
use crate::context::cache::Cache;
use crate::core::error::Result;
use crate::device::cpu::real::Real;
use crate::device::cpu::threads::each;
use crate::ops::shared::reduce::{max_of, sum_of};
use crate::ops::shared::with_real;
use crate::tensor::Tensor;
use crate::versions;

/// `qkv` \[B, T, 3 · HEADS · SIZE\] of the positions that follow those in the cache, which takes them in.
pub(crate) fn forward(at: &str, cx: &Context, cache: &mut Cache, heads: usize, qkv: &Tensor) -> Result<Tensor> {
    super::check_qkv(at, cx, heads, qkv)?;
    let geometry = Geometry::of(qkv.shape(), heads, true);
    let Geometry { batch, length, size, .. } = geometry;
    let mut y = cx.empty([batch, length, heads * size])?;
    if cx.cuda().is_some() {
        match cx.planning() {
            true => y.is_launched(),
            false => {
                let before = cache.len();
                super::cuda::cached(at, cx, geometry, qkv, (cache.layer(cx, batch * heads, length, size)?, before), &mut y)?;
            }
        }
        return Ok(y);
    }
    let mut scores = cx.empty([batch * heads, cache.capacity()])?;
    if cx.planning() {
        return Ok(y);
    }
    let (before, capacity) = (cache.len(), cache.capacity());
    let layer = cache.layer(cx, batch * heads, length, size)?;
    with_real!(cx.dtype(), E => {
        let qkv = qkv.as_slice::<E>();
        let out = SharedMut::new(y.as_mut_slice::<E>());
        let keys = layer.keys.as_mut_slice::<E>().chunks_mut((size * capacity).max(1));
        let values = layer.values.as_mut_slice::<E>().chunks_mut((size * capacity).max(1));
        let scores = scores.as_mut_slice::<E>().chunks_mut(capacity.max(1));
        each(keys.zip(values).zip(scores).enumerate(), |(head, ((keys, values), scores))| {
            for t in 0..length {
                let place = before + t;
                for (d, x) in qkv[geometry.qkv(1, head, t)].iter().enumerate() {
                    keys[d * capacity + place] = *x;
                }
                values[place * size..][..size].copy_from_slice(&qkv[geometry.qkv(2, head, t)]);
                // SAFETY: `Geometry::output` of different heads and rows is disjoint; `each` gives a head to one task, which holds one row at a time.
                let y = unsafe { out.get(geometry.output(head, t)) };
                query(&qkv[geometry.qkv(0, head, t)], E::of(geometry.scale()), keys, values, &mut scores[..=place], y);
            }
        });
    });
    Ok(y)
}

versions! {
    /// y = softmax(q kᵀ · scale) v over as many keys as there are scores.
    fn query<{E: Real} {E}>(q: &[E], scale: E, keys: &[E], values: &[E], scores: &mut [E], y: &mut [E]) {
        let (size, capacity) = (q.len(), keys.len() / q.len());
        scores.fill(E::default());
        for (d, q) in q.iter().enumerate() {
            let q = *q * scale;
            for (s, k) in scores.iter_mut().zip(&keys[d * capacity..]) {
                *s += q * *k;
            }
        }
        let max = max_of(scores);
        for s in scores.iter_mut() {
            *s = (*s - max).exp();
        }
        let factor = E::of(1.0) / sum_of(scores, |x| x);
        y.fill(E::default());
        for (s, v) in scores.iter().zip(values.chunks_exact(size)) {
            for (y, v) in y.iter_mut().zip(v) {
                *y += *s * *v;
            }
        }
        for y in y.iter_mut() {
            *y *= factor;
        }
    }
}
