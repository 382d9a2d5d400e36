//! Slice: a range of one axis.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::elementwise;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::strips;
use crate::ops::shared::strips::Strip;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;
use std::ops::Range;

/// The position of the slice, and the shapes of `x` and `y`.
#[derive(Debug)]
pub struct Saved {
    axis: usize,
    start: usize,
    x: Shape,
    y: Shape,
}

/// The entries `range` of an axis, numbers or ids.
///
/// # Errors
/// If there is no such axis, or the range exceeds it.
pub fn forward(cx: &Context, x: &Tensor, axis: usize, range: Range<usize>) -> Result<Tensor> {
    check::axis("slice", x.shape(), axis)?;
    check::float_or_ids("slice", cx, ("x", x))?;
    if range.start > range.end || range.end > x.dim(axis) {
        let message = format!("{range:?} does not lie in axis {axis} of `x`, which is {}: it has 0..{}", x.shape(), x.dim(axis));
        return Err(Error::shape("slice", message));
    }
    let mut dims = x.shape().to_vec();
    dims[axis] = range.len();
    strips::taken(cx, "slice", Strip::of(x.shape(), axis, range.start, range.len()), x, Shape::new(&dims))
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axis: usize, range: Range<usize>) -> Result<(Tensor, Saved)> {
    let start = range.start;
    let y = forward(cx, x, axis, range)?;
    let saved = Saved { axis, start, x: *x.shape(), y: *y.shape() };
    Ok((y, saved))
}

/// `d_x[.., range, ..] += d_y`; zero elsewhere.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { axis, start, x, y } = saved;
    check::gradient("slice", cx, ("d_y", &d_y), y)?;
    let Some((d_x, add)) = d_x.target(cx, x)? else { return Ok(()) };
    let strip = Strip::of(&x, axis, start, d_y.dim(axis));
    let _op = cx.op("slice", || Cost::default().reads([&d_y]).moves(if add { 2 * d_y.bytes() } else { d_x.bytes() }));
    if cx.cuda().is_some() {
        if !add {
            elementwise::cuda::zero(cx, d_x)?;
        }
        strips::cuda::put(cx, strip, &d_y, d_x, add)?;
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let d_x = d_x.as_mut_slice::<E>();
            if !add {
                d_x.fill(0.0);
            }
            strip.put::<E>(d_y.as_slice(), d_x, add);
        });
    }
    Ok(())
}
