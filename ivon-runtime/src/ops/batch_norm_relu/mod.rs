//! Batch norm, a residual and ReLU in one: the end of a residual block (He, Zhang, Ren and Sun 2015).

#[cfg(test)]
mod tests;

pub use super::batch_norm::Saved;
use super::batch_norm::{Arguments, differentiate, normalize};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::tensor::Tensor;
use crate::tensor::parameter::Buffer;

/// y = max(z + residual, 0), or max(z, 0) without a residual, with z that of [`batch_norm`](mod@super::batch_norm); `residual` is of the shape of `x`.
///
/// The same bits as the steps one by one, with fewer readings of memory: z is never stored.
///
/// # Errors
/// As [`batch_norm`](mod@super::batch_norm), and if the shape of `residual` is another one.
#[allow(clippy::too_many_arguments)] // those of the signature
pub fn forward(
    cx: &Context,
    x: &Tensor,
    residual: Option<&Tensor>,
    gain: &Tensor,
    bias: Option<&Tensor>,
    running_mean: &Buffer,
    running_variance: &Buffer,
    momentum: f64,
    eps: f64,
) -> Result<Tensor> {
    Ok(forward_saving(cx, x, residual, gain, bias, running_mean, running_variance, momentum, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments)] // those of the signature
pub fn forward_saving(
    cx: &Context,
    x: &Tensor,
    residual: Option<&Tensor>,
    gain: &Tensor,
    bias: Option<&Tensor>,
    running_mean: &Buffer,
    running_variance: &Buffer,
    momentum: f64,
    eps: f64,
) -> Result<(Tensor, Saved)> {
    let at = "batch_norm_relu";
    normalize(cx, Arguments { at, x, residual, relu: true, gain, bias, running_mean, running_variance, momentum, eps })
}

/// With d_z = 0 where y <= 0, else d_y: `d_residual += d_z`, and the rest as [`batch_norm`](mod@super::batch_norm) has it with d_z for its d_y.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_x: &mut Adjoint,
    d_residual: &mut Adjoint,
    d_gain: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    differentiate(cx, saved, d_y, [d_x, d_residual, d_gain, d_bias])
}
