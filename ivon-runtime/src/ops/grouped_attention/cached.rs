//! Attention of a few new positions to those in a cache and to each other.

use super::cuda;
use super::sight::Sight;
use super::{AT, Arguments};
use crate::context::cache::{Cache, Layer};
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::{Error, Result};
use crate::device::cpu::real::Real;
use crate::device::cpu::threads::each;
use crate::ops::shared::attend::heads::SharedMut;
use crate::ops::shared::reduce::{max_of, sum_of};
use crate::tensor::Tensor;
use crate::versions;

/// Takes the keys and values in, and returns the outputs of the queries.
pub(super) fn forward(cx: &Context, cache: &mut Cache, sight: Sight, arguments: &Arguments<&Tensor>) -> Result<Tensor> {
    let Arguments { bias, mask, segments, .. } = arguments;
    if !sight.causal || sight.queries != sight.keys || bias.is_some() || mask.is_some() || segments.is_some() {
        let message = "inside of `Context::cached` it takes causal self-attention without `bias`, `mask` and `segments`: the positions in the \
                       cache have none. Call the method outside of `cached`";
        return Err(Error::value(AT, message));
    }
    let mut y = cx.empty(*arguments.q.shape())?;
    let mut scores = cx.scratch([sight.batch * sight.heads, cache.capacity()])?;
    let (before, capacity) = (cache.len(), cache.capacity());
    if cx.planning() {
        y.is_launched();
        return Ok(y);
    }
    let layer = cache.layer(cx, sight.batch * sight.kv_heads, sight.keys, sight.size)?;
    let arguments = *arguments;
    cx.run(AT, Cached { sight, arguments, layer, before, capacity, scores: &mut scores, y: &mut y })?;
    Ok(y)
}

pub(super) struct Cached<'a> {
    pub sight: Sight,
    pub arguments: Arguments<&'a Tensor>,
    pub layer: &'a mut Layer,
    /// Positions in the cache.
    pub before: usize,
    pub capacity: usize,
    pub scores: &'a mut Tensor,
    pub y: &'a mut Tensor,
}

impl Compute for Cached<'_> {
    fn cost(&self, cx: &Context) -> Cost {
        let Sight { queries, .. } = self.sight;
        let sight = Sight { keys: self.before + queries, ..self.sight };
        sight.cost(cx, 2).reads([self.arguments.q]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        let Cached { sight, arguments, layer, before, capacity, scores, y } = self;
        let (size, group) = (sight.size, sight.group());
        let Arguments { q, k, v, slopes, .. } = arguments.map(|x| x.as_slice::<E>());
        let out = SharedMut::new(y.as_mut_slice::<E>());
        let keys = layer.keys.as_mut_slice::<E>().chunks_mut((size * capacity).max(1));
        let values = layer.values.as_mut_slice::<E>().chunks_mut((size * capacity).max(1));
        let scores = scores.as_mut_slice::<E>().chunks_mut((group * capacity).max(1));
        each(keys.zip(values).zip(scores).enumerate(), |(task, ((keys, values), scores))| {
            let (b, kv) = (task / sight.kv_heads, task % sight.kv_heads);
            for t in 0..sight.queries {
                let place = before + t;
                let row = sight.key_row(b, kv, t);
                for (d, x) in k[row.clone()].iter().enumerate() {
                    keys[d * capacity + place] = *x;
                }
                values[place * size..][..size].copy_from_slice(&v[row]);
                let first = if sight.window > 0 { (place + 1).saturating_sub(sight.window) } else { 0 };
                for head in kv * group..(kv + 1) * group {
                    // SAFETY: rows of different heads and queries are disjoint; `each` gives a head of keys, and the heads that share it, to one
                    // task, which holds one row at a time.
                    let y = unsafe { out.get(sight.query_row(b, head, t)) };
                    let slope = slopes.map_or(E::default(), |slopes| slopes[head]);
                    let q = &q[sight.query_row(b, head, t)];
                    query(q, (E::of(sight.scale()), slope), (keys, capacity), values, first, &mut scores[..=place], y);
                }
            }
        });
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::cached(cx, self)
    }
}

versions! {
    /// y = softmax(q kᵀ · scale - slope · distance) v over the keys from `first` to the last score.
    fn query<{E: Real} {E}>(
        q: &[E],
        factors: (E, E),
        keys: (&[E], usize),
        values: &[E],
        first: usize,
        scores: &mut [E],
        y: &mut [E],
    ) {
        let (size, (keys, capacity), (scale, slope)) = (q.len(), keys, factors);
        let last = scores.len() - 1;
        let scores = &mut scores[first..];
        for (j, s) in scores.iter_mut().enumerate() {
            *s = -(slope * E::of((last - first - j) as f64));
        }
        for (d, q) in q.iter().enumerate() {
            let q = *q * scale;
            for (s, k) in scores.iter_mut().zip(&keys[d * capacity + first..]) {
                *s += q * *k;
            }
        }
        let max = max_of(scores);
        for s in scores.iter_mut() {
            *s = (*s - max).exp();
        }
        let factor = E::of(1.0) / sum_of(scores, |x| x);
        y.fill(E::default());
        for (s, v) in scores.iter().zip(values[first * size..].chunks_exact(size)) {
            for (y, v) in y.iter_mut().zip(v) {
                *y += *s * *v;
            }
        }
        for y in y.iter_mut() {
            *y *= factor;
        }
    }
}
