//! The largest number along axes.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::extreme;
use crate::ops::shared::extreme::Extreme;
use crate::tensor::Tensor;

pub use crate::ops::shared::extreme::Saved;

/// The largest number along axes: `None` for all, `Some(1)`, `[1, 2]`. NaN where one of the numbers is. The output lacks the axes, or has them with size 1:
/// [`Axes::keep`]. PyTorch's `amax`.
///
/// # Errors
/// If `x` lacks one of the axes, or there is nothing along them.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    extreme::forward("amax", Extreme::Largest, cx, x, axes.into())
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<(Tensor, Saved)> {
    extreme::forward_saving("amax", Extreme::Largest, cx, x, axes.into())
}

/// `d_x += d_y` where x is the largest; equal ones share it.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    extreme::backward("amax", cx, saved, d_y, d_x)
}
