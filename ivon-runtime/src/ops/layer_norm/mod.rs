//! Layer norm (Ba, Kiros and Hinton 2016).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::ops::shared::normalize;
use crate::tensor::Tensor;

/// `x`, `gain`, and mean and 1 / standard deviation of every row.
#[derive(Debug)]
pub struct Saved(normalize::Saved);

/// y = gain · (x - mean) / sqrt(variance + eps) + bias over the last axis of `x` \[.., N\], with `gain` and `bias` \[N\] and the
/// variance that divides by N, as in PyTorch.
///
/// # Errors
/// If the shapes do not fit, or `eps` is negative.
pub fn forward(cx: &Context, x: &Tensor, gain: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, x, gain, bias, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, gain: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<(Tensor, Saved)> {
    normalize::check("layer_norm", cx, x, gain, bias, eps)?;
    let (y, saved) = normalize::forward(cx, x, gain, bias, eps, true)?;
    Ok((y, Saved(saved)))
}

/// With x̂ = (x - mean) r, r = 1 / sqrt(variance + eps), g = gain · d_y: `d_x += r (g - mean(g) - x̂ mean(g x̂))`,
/// `d_gain +=` the sum of `d_y x̂` over rows, `d_bias +=` that of `d_y`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_x: &mut Adjoint,
    d_gain: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    normalize::backward(cx, saved.0, d_y, true, [d_x, d_gain, d_bias])
}
