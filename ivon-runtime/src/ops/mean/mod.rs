//! Mean: of all elements, or over axes.

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

/// The mean over axes: `None` for all, `Some(1)`, `[1, 2]`. The output lacks them, or has them with size 1: [`Axes::keep`]. NaN where
/// there is nothing to average.
///
/// In a batch of several micro-batches, a mean that is a number weighs by the elements averaged ([`Context::counted`]). A mean of
/// parameters is the same in each of them: see [`of_parameters`].
///
/// # Errors
/// If `x` lacks one of the axes.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    let axes = axes.into();
    let y = of_parameters(cx, x, axes)?;
    if y.shape().rank() == 0 {
        cx.averaged(along::count(x.shape(), axes));
    }
    Ok(y)
}

/// [`forward`] of values that depend on no input of the pass, such as a penalty on weights, or of a loss that has called
/// [`Context::counted`] itself: it asks for no weight of the micro-batch. Generated code calls it where the compiler sees that.
///
/// # Errors
/// As [`forward`].
pub fn of_parameters(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    let axes = axes.into();
    along::check("mean", cx, x, axes)?;
    along::forward(cx, x, axes, share(cx, along::count(x.shape(), axes)))
}

/// 1 / n. A micro-batch of nothing has a mean of 0, which does not count.
fn share(cx: &Context, n: usize) -> f64 {
    if n == 0 && cx.in_micro_batches() { 0.0 } else { 1.0 / n as f64 }
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<(Tensor, Saved)> {
    let axes = axes.into();
    Ok((forward(cx, x, axes)?, Saved { axes, x: *x.shape() }))
}

/// [`of_parameters`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn of_parameters_saving(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<(Tensor, Saved)> {
    let axes = axes.into();
    Ok((of_parameters(cx, x, axes)?, Saved { axes, x: *x.shape() }))
}

/// `d_x += d_y / n`, repeated along the axes, with the number n of elements averaged.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    along::backward("mean", cx, saved.x, saved.axes, 1.0 / along::count(&saved.x, saved.axes) as f64, &d_y, d_x)
}
