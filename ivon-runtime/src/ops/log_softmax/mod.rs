//! Log-softmax over the last axis: a form of [`softmax`](mod@super::softmax).

#[cfg(test)]
mod tests;

use super::softmax::{differentiated, normalized};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::tensor::Tensor;

pub use super::softmax::Saved;

/// y = x - ln(sum of e^x), over the last axis of `x`.
///
/// # Errors
/// If `x` is a scalar.
pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
    normalized(cx, x, true)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x)?;
    Ok((y.clone(), Saved { y }))
}

/// `d_x += d_y - e^y · sum of d_y`, over the last axis.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    differentiated(cx, saved, d_y, d_x, true)
}
