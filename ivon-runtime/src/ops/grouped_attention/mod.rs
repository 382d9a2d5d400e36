//! Attention with separate queries, keys and values: grouped heads, biases, windows, masks and dropout, without a T × S matrix.

mod cached;
mod cpu;
pub(crate) mod cuda;
mod sight;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context, Stream};
use crate::core::error::{Error, Result};
use crate::device::cpu::real::Real;
use crate::ops::shared::check;
use crate::tensor::Tensor;
use crate::tensor::noise::Noise;
use sight::Sight;

const AT: &str = "grouped_attention";

/// The arguments, the output and the log-sum-exp of every query.
#[derive(Debug)]
pub struct Saved {
    sight: Sight,
    arguments: Arguments<Tensor>,
    y: Tensor,
    /// ln of the sum of e^s, \[B, HEADS, T\]; infinite for a query that sees no key.
    lse: Tensor,
}

/// The operands, as tensors or as slices of them.
#[derive(Clone, Copy, Debug)]
struct Arguments<X> {
    q: X,
    k: X,
    v: X,
    bias: Option<X>,
    slopes: Option<X>,
    mask: Option<X>,
    segments: Option<X>,
}

impl<X> Arguments<X> {
    fn map<'a, Y>(&'a self, f: impl Fn(&'a X) -> Y) -> Arguments<Y> {
        let Arguments { q, k, v, bias, slopes, mask, segments } = self;
        let [bias, slopes, mask, segments] = [bias, slopes, mask, segments].map(|x| x.as_ref().map(&f));
        Arguments { q: f(q), k: f(k), v: f(v), bias, slopes, mask, segments }
    }
}

/// Per head, y = softmax(s) v with s = q kᵀ / sqrt(SIZE) + bias − slope · distance, over the keys that a query sees.
///
/// `q` is \[B, T, HEADS · SIZE\]; `k` and `v` are \[B, S, KV_HEADS · SIZE\]. Each head of keys and values serves HEADS / KV_HEADS heads of
/// queries, one after the other (grouped-query attention, Ainslie et al. 2023). The output is \[B, T, HEADS · SIZE\].
///
/// The last query stands beside the last key: query i has the place i + S − T among the keys.
///
/// * `bias` \[HEADS, T, S\] is added to the scores (relative positions, Raffel et al. 2020).
/// * `slopes` \[HEADS\], times the distance between query and key, is subtracted from them (ALiBi, Press et al. 2022).
/// * `mask` \[B, S\] is 0 at keys that no query sees: padding.
/// * `segments` \[B, T\] numbers sequences that are packed into one row, T = S: a query sees the keys of its own segment.
/// * `causal`: a query sees no key after its place.
/// * `window`: a query sees keys at a distance below it; 0 for all (Beltagy et al. 2020).
/// * `rate`: in training, dropout of the weights after the softmax.
///
/// A query that sees no key has the output 0. `mask` and `segments` have no gradient. Memory grows with T + S, not with T · S.
///
/// Inside of [`Context::cached`] a causal call appends its keys and values to the cache, and its queries see those before them.
///
/// # Errors
/// If the shapes do not fit each other, a causal call has more queries than keys, `rate` is not in \[0, 1), or inside of
/// [`Context::cached`] the call is not causal or has `bias`, `mask` or `segments`.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    cx: &Context,
    heads: usize,
    kv_heads: usize,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: Option<&Tensor>,
    slopes: Option<&Tensor>,
    mask: Option<&Tensor>,
    segments: Option<&Tensor>,
    causal: bool,
    window: usize,
    rate: f64,
) -> Result<Tensor> {
    if let Some(cache) = cx.cache().as_mut() {
        let arguments = Arguments { q, k, v, bias, slopes, mask, segments };
        return cached::forward(cx, cache, Sight::of(cx, heads, kv_heads, &arguments, causal, window)?, &arguments);
    }
    Ok(forward_saving(cx, heads, kv_heads, q, k, v, bias, slopes, mask, segments, causal, window, rate)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`], and inside of [`Context::cached`], where there is no gradient.
#[allow(clippy::too_many_arguments)]
pub fn forward_saving(
    cx: &Context,
    heads: usize,
    kv_heads: usize,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: Option<&Tensor>,
    slopes: Option<&Tensor>,
    mask: Option<&Tensor>,
    segments: Option<&Tensor>,
    causal: bool,
    window: usize,
    rate: f64,
) -> Result<(Tensor, Saved)> {
    if cx.cache().is_some() {
        return Err(Error::config("a pass with a cache of keys and values has no gradient: train without it"));
    }
    check::number(AT, "rate", rate, (0.0..1.0).contains(&rate), "a number from 0 to below 1")?;
    let arguments = Arguments { q, k, v, bias, slopes, mask, segments };
    let mut sight = Sight::of(cx, heads, kv_heads, &arguments, causal, window)?;
    // Drawn in any case, so that a rate of 0 leaves the randomness of other calls as it is.
    let Stream { key, counter } = cx.stream();
    if cx.training() && rate > 0.0 {
        sight.drop(Noise { key, upper: counter }, rate);
    }
    let mut y = cx.empty(*q.shape())?;
    let mut lse = cx.empty_of(cx.dtype().sums(), [sight.batch, heads, sight.queries])?;
    let mut workspace = cx.scratch([sight.slots(sight.batch * heads), cpu::forward_workspace(&sight)])?;
    cx.run(AT, Forward { sight, arguments, y: &mut y, lse: &mut lse, workspace: &mut workspace })?;
    Ok((y.clone(), Saved { sight, arguments: arguments.map(|x| (*x).clone()), y, lse }))
}

/// With p the softmax, computed again block by block, dp = d_y vᵀ and ds = p · (dp - sum of d_y · y): `d_q += ds k / sqrt(SIZE)`,
/// `d_k += dsᵀ q / sqrt(SIZE)` and `d_v += pᵀ d_y`, summed over the heads of a group, `d_bias +=` the sum of ds over the batch, and
/// `d_slopes +=` the sum of −distance · ds.
///
/// # Errors
/// As [`Adjoint::target`].
#[allow(clippy::too_many_arguments)]
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_q: &mut Adjoint,
    d_k: &mut Adjoint,
    d_v: &mut Adjoint,
    d_bias: &mut Adjoint,
    d_slopes: &mut Adjoint,
    d_mask: &mut Adjoint,
    d_segments: &mut Adjoint,
) -> Result<()> {
    let Saved { sight, arguments, y, lse } = saved;
    check::gradient(AT, cx, ("d_y", &d_y), *y.shape())?;
    let shapes = arguments.map(|x| *x.shape());
    for (adjoint, shape) in [(d_mask, shapes.mask), (d_segments, shapes.segments)] {
        if let Some(shape) = shape.filter(|_| adjoint.wanted() && adjoint.is_empty()) {
            adjoint.add(cx, cx.zeros(shape)?)?;
        }
    }
    let gradients = Gradients {
        q: d_q.target(cx, shapes.q)?,
        k: d_k.target(cx, shapes.k)?,
        v: d_v.target(cx, shapes.v)?,
        bias: shapes.bias.map_or(Ok(None), |shape| d_bias.target(cx, shape))?,
        slopes: shapes.slopes.map_or(Ok(None), |shape| d_slopes.target(cx, shape))?,
    };
    let tasks = sight.backward_tasks(gradients.are_shared());
    let mut workspace = cx.scratch([sight.slots(tasks), cpu::backward_workspace(&sight)])?;
    let computation =
        Backward { sight, arguments: arguments.map(|x| x), y: &y, lse: &lse, d_y: &d_y, gradients, workspace: &mut workspace };
    cx.run(AT, computation)
}

/// The gradients that are wanted, each with whether it is added to.
struct Gradients<'a> {
    q: Option<(&'a mut Tensor, bool)>,
    k: Option<(&'a mut Tensor, bool)>,
    v: Option<(&'a mut Tensor, bool)>,
    bias: Option<(&'a mut Tensor, bool)>,
    slopes: Option<(&'a mut Tensor, bool)>,
}

impl Gradients<'_> {
    /// True if a gradient sums over the batch.
    fn are_shared(&self) -> bool {
        self.bias.is_some() || self.slopes.is_some()
    }
}

struct Forward<'a> {
    sight: Sight,
    arguments: Arguments<&'a Tensor>,
    y: &'a mut Tensor,
    lse: &'a mut Tensor,
    workspace: &'a mut Tensor,
}

impl Compute for Forward<'_> {
    fn cost(&self, cx: &Context) -> Cost {
        let Arguments { q, k, v, .. } = self.arguments;
        self.sight.cost(cx, 2).reads([q, k, v]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        cpu::forward::<E>(self.sight, self.arguments.map(|x| x.as_slice()), self.y, self.lse, self.workspace);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::forward(cx, self.sight, self.arguments, self.y, self.lse)
    }
}

struct Backward<'a> {
    sight: Sight,
    arguments: Arguments<&'a Tensor>,
    y: &'a Tensor,
    lse: &'a Tensor,
    d_y: &'a Tensor,
    gradients: Gradients<'a>,
    workspace: &'a mut Tensor,
}

impl Compute for Backward<'_> {
    fn cost(&self, cx: &Context) -> Cost {
        let Arguments { q, k, v, .. } = self.arguments;
        self.sight.cost(cx, 5).reads([q, k, v, self.y, self.d_y]).writes(q, true).writes(k, true).writes(v, true)
    }

    fn cpu<E: Real>(self) {
        let [y, lse, d_y] = [self.y, self.lse, self.d_y].map(|x| x.as_slice::<E>());
        let inputs = cpu::Inputs { arguments: self.arguments.map(|x| x.as_slice()), y, lse, d_y };
        cpu::backward(self.sight, inputs, self.gradients, self.workspace);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::backward(cx, self.sight, self.arguments, [self.y, self.lse, self.d_y], self.gradients)
    }
}
