//! Sum: of all elements, or over one axis.

#[cfg(test)]
mod tests;

use super::along;
use crate::{Adjoint, Context, Result, Shape, Tensor};

/// The axis, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    axis: Option<usize>,
    x: Shape,
}

/// The sum over an axis, which the output lacks; over everything where `axis` is `None`.
///
/// # Errors
/// If there is no such axis.
pub fn forward(cx: &Context, x: &Tensor, axis: Option<usize>) -> Result<Tensor> {
    along::check("sum", cx, x, axis)?;
    along::forward(cx, x, axis, 1.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axis: Option<usize>) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, axis)?, Saved { axis, x: *x.shape() }))
}

/// `d_x += d_y`, repeated along the axis.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    along::backward(cx, saved.x, saved.axis, 1.0, &d_y, d_x)
}
