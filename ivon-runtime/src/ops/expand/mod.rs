//! Expand: axes of size 1, and leading ones that are missing, repeat to a larger shape.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::along;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::check;
use crate::tensor::Tensor;

/// The shape of `x`.
#[derive(Debug)]
pub struct Saved {
    x: Shape,
    y: Shape,
}

/// y\[.., i, ..\] = x\[.., 0, ..\] where `x` has size 1, else x\[.., i, ..\].
///
/// # Errors
/// If an axis of `x` is neither 1 nor that of `dims`, both counted from the last.
pub fn forward(cx: &Context, x: &Tensor, dims: impl Into<Shape>) -> Result<Tensor> {
    let shape = dims.into();
    check::float("expand", cx, &[("x", x)])?;
    if !fits(x.shape(), &shape) {
        let message = format!("`x` is {}, which does not expand to {shape}: an axis is of that size, or 1", x.shape());
        return Err(Error::shape("expand", message));
    }
    if shape.elements() == x.shape().elements() {
        return Ok(x.reshaped(shape));
    }
    let mut y = cx.empty(shape)?;
    along::repeat_along(cx, x, Axes::broadcast(x.shape(), &shape), &mut y, 1.0, false)?;
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, dims: impl Into<Shape>) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x, dims)?;
    let saved = Saved { x: *x.shape(), y: *y.shape() };
    Ok((y, saved))
}

/// `d_x += d_y`, summed over the axes along which `x` was repeated.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient("expand", cx, ("d_y", &d_y), saved.y)?;
    if saved.x.elements() == d_y.shape().elements() {
        return d_x.add(cx, d_y.reshaped(saved.x));
    }
    match d_x.target(cx, saved.x)? {
        Some((d_x, add)) => along::sum_to(cx, &d_y, d_x, add),
        None => Ok(()),
    }
}

/// True if each axis of `from`, counted from the last, is 1 or that of `to`.
pub(super) fn fits(from: &Shape, to: &Shape) -> bool {
    from.rank() <= to.rank() && from.iter().rev().zip(to.iter().rev()).all(|(from, to)| from == to || *from == 1)
}
