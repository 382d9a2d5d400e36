//! Attention of every position to every position (Vaswani et al. 2017).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::ops::shared::attend;
use crate::tensor::Tensor;

/// `qkv`, the output and the log-sum-exp of every query.
#[derive(Debug)]
pub struct Saved(attend::Saved);

/// Per head, y = softmax(q kᵀ / sqrt(SIZE)) v, without keeping a T × T matrix.
///
/// `qkv` is \[B, T, 3 · HEADS · SIZE\]: q, k and v one after the other along the last axis, each with its heads one after the other, as
/// GPT-2's `c_attn` makes them. The output is \[B, T, HEADS · SIZE\].
///
/// # Errors
/// If `qkv` does not have three dimensions, the last of them a multiple of 3 · `heads`; inside of [`Context::cached`], because earlier
/// positions would have to see later ones.
pub fn forward(cx: &Context, heads: usize, qkv: &Tensor) -> Result<Tensor> {
    Ok(forward_saving(cx, heads, qkv)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, heads: usize, qkv: &Tensor) -> Result<(Tensor, Saved)> {
    if cx.cache().is_some() {
        let message =
            "attention to later positions cannot use a cache of keys and values: call the method outside of `Context::cached`";
        return Err(Error::value("attention", message));
    }
    let (y, saved) = attend::forward("attention", cx, heads, qkv, false)?;
    Ok((y, Saved(saved)))
}

/// With p the softmax, computed again block by block, dp = d_y vᵀ and ds = p · (dp - sum of d_y · y):
/// `d_q += ds k / sqrt(SIZE)`, `d_k += dsᵀ q / sqrt(SIZE)`, `d_v += pᵀ d_y`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_qkv: &mut Adjoint) -> Result<()> {
    attend::backward(cx, saved.0, d_y, d_qkv, false)
}
