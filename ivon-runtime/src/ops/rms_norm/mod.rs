//! RMS norm (Zhang and Sennrich 2019).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::ops::shared::normalize;
use crate::tensor::Tensor;

/// `x`, `gain`, and 1 / root mean square of every row.
#[derive(Debug)]
pub struct Saved(normalize::Saved);

/// y = gain · x / sqrt(mean(x²) + eps) over the last axis of `x` \[.., N\], with `gain` \[N\].
///
/// # Errors
/// If the shapes do not fit, or `eps` is negative.
pub fn forward(cx: &Context, x: &Tensor, gain: &Tensor, eps: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, x, gain, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, gain: &Tensor, eps: f64) -> Result<(Tensor, Saved)> {
    normalize::check("rms_norm", cx, x, gain, None, eps)?;
    let (y, saved) = normalize::forward(cx, x, gain, None, eps, false)?;
    Ok((y, Saved(saved)))
}

/// With x̂ = x r, r = 1 / sqrt(mean(x²) + eps), g = gain · d_y: `d_x += r (g - x̂ mean(g x̂))`, `d_gain +=` the sum of `d_y x̂`
/// over rows.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint, d_gain: &mut Adjoint) -> Result<()> {
    normalize::backward(cx, saved.0, d_y, false, [d_x, d_gain, &mut Adjoint::skip()])
}
