//! Attention without the T × T matrix: what its causal and its full form are made of.
//!
//! For each head, with q, k and v \[T, SIZE\]: s = q kᵀ / sqrt(SIZE), p = softmax(s), y = p v. The forward pass goes through blocks of
//! keys with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022) and keeps the log-sum-exp of each query; the backward pass
//! computes the blocks of p again from it.
//!
//! Queries, keys and values are packed per head into a workspace, padded to whole blocks, so that no kernel has edges. There is
//! one workspace a thread; what a head computes does not depend on which thread it is.

#![allow(clippy::needless_range_loop)] // Kernels index several arrays alike.

mod backward;
pub(crate) mod cached;
pub(crate) mod cuda;
mod forward;
pub(crate) mod heads;
pub(crate) mod tile;

use super::{check, with_real};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::tensor::Tensor;
use heads::{Geometry, SharedMut};
use tile::{NARROW, WIDE};

/// The values that the backward pass reads.
#[derive(Debug)]
pub(crate) struct Saved {
    heads: usize,
    qkv: Tensor,
    y: Tensor,
    /// ln of the sum of e^s, \[B, HEADS, T\].
    lse: Tensor,
}

/// `qkv` is \[B, T, 3 · HEADS · SIZE\]: q, k and v one after the other along the last axis.
pub(crate) fn forward(at: &str, cx: &Context, heads: usize, qkv: &Tensor, causal: bool) -> Result<(Tensor, Saved)> {
    check_qkv(at, cx, heads, qkv)?;
    let geometry = Geometry::of(qkv.shape(), heads, causal);
    let mut y = cx.empty([geometry.batch, geometry.length, heads * geometry.size])?;
    let mut lse = cx.empty_of(cx.dtype().sums(), [geometry.batch, heads, geometry.length])?;
    let _op = cx.op(at, || geometry.cost(cx, 2).reads([qkv]).writes(&y, false));
    if cx.cuda().is_some() {
        cuda::forward(at, cx, geometry, qkv, &mut y, &mut lse)?;
        return Ok((y.clone(), Saved { heads, qkv: qkv.clone(), y, lse }));
    }
    let slots = geometry.slots();
    let mut workspace = cx.empty([slots, forward::workspace(&geometry)])?;
    if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let (out, lse) = (SharedMut::new(y.as_mut_slice::<E>()), SharedMut::new(lse.as_mut_slice::<E>()));
            let qkv = qkv.as_slice::<E>();
            geometry.for_each_head(workspace.as_mut_slice::<E>(), |head, workspace| match geometry.columns() {
                WIDE => forward::head::<E, WIDE>(geometry, head, qkv, out, lse, workspace),
                _ => forward::head::<E, NARROW>(geometry, head, qkv, out, lse, workspace),
            });
        });
    }
    Ok((y.clone(), Saved { heads, qkv: qkv.clone(), y, lse }))
}

fn check_qkv(at: &str, cx: &Context, heads: usize, qkv: &Tensor) -> Result<()> {
    check::float(at, cx, &[("qkv", qkv)])?;
    // More heads than columns could make 3 * heads overflow.
    let divides = |columns: usize| heads > 0 && heads <= columns.max(1) && columns.is_multiple_of(3 * heads);
    if qkv.shape().rank() != 3 || !divides(qkv.dim(2)) {
        let message = format!(
            "`qkv` is {} where [B, T, 3 * HEADS * SIZE] is expected with HEADS = {heads}: the last dimension must be a multiple of {}",
            qkv.shape(),
            heads.saturating_mul(3)
        );
        return Err(Error::shape(at, message));
    }
    Ok(())
}

/// With dp = d_y vᵀ and ds = p · (dp - sum of d_y · y): d_q = ds k / sqrt(SIZE), d_k = dsᵀ q / sqrt(SIZE), d_v = pᵀ d_y.
pub(crate) fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_qkv: &mut Adjoint, causal: bool) -> Result<()> {
    let at = if causal { "causal_attention" } else { "attention" };
    check::gradient(at, cx, ("d_y", &d_y), *saved.y.shape())?;
    let _op = cx.op(at, || {
        let cost = Geometry::of(saved.qkv.shape(), saved.heads, causal).cost(cx, 5);
        cost.reads([&saved.qkv, &saved.y, &d_y]).writes(&saved.qkv, !d_qkv.is_empty())
    });
    if cx.cuda().is_some() {
        return cuda::backward(cx, saved, d_y, d_qkv, causal);
    }
    let Saved { heads, qkv, y, lse } = saved;
    let geometry = Geometry::of(qkv.shape(), heads, causal);
    let Some((d_qkv, add)) = d_qkv.target(cx, *qkv.shape())? else { return Ok(()) };
    let mut workspace = cx.empty([geometry.slots(), backward::workspace(&geometry)])?;
    if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let d_qkv = SharedMut::new(d_qkv.as_mut_slice::<E>());
            let inputs = backward::Inputs { qkv: qkv.as_slice::<E>(), y: y.as_slice(), lse: lse.as_slice(), d_y: d_y.as_slice() };
            geometry.for_each_head(workspace.as_mut_slice::<E>(), |head, workspace| match geometry.columns() {
                WIDE => backward::head::<E, WIDE>(geometry, head, inputs, d_qkv, add, workspace),
                _ => backward::head::<E, NARROW>(geometry, head, inputs, d_qkv, add, workspace),
            });
        });
    }
    Ok(())
}
