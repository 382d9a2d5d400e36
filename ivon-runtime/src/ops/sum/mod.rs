//! Sum: of all elements, or over axes.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::ops::shared::along;
use crate::ops::shared::axes::Axes;
use crate::tensor::Tensor;

/// The axes, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    axes: Axes,
    x: Shape,
}

/// The sum over axes: `None` for all, `Some(1)`, `[1, 2]`. The output lacks them, or has them with size 1: [`Axes::keep`].
///
/// # Errors
/// If `x` lacks one of the axes.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    let axes = axes.into();
    along::check("sum", cx, x, axes)?;
    along::forward(cx, x, axes, 1.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<(Tensor, Saved)> {
    let axes = axes.into();
    Ok((forward(cx, x, axes)?, Saved { axes, x: *x.shape() }))
}

/// `d_x += d_y`, repeated along the axes.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    along::backward("sum", cx, saved.x, saved.axes, 1.0, &d_y, d_x)
}
