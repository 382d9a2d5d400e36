//! At: one place of an axis, which the result lacks. `x.at(1, t)` is the step `t` of a sequence `[B, T, WIDTH]`.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::elementwise;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::strips;
use crate::ops::shared::strips::Strip;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The axis, the place on it, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    axis: usize,
    place: usize,
    x: Shape,
}

/// The entries at one place of an axis, numbers or ids: of `[B, T, WIDTH]` at axis 1 it is `[B, WIDTH]`.
///
/// # Errors
/// If there is no such axis, or no such place on it.
pub fn forward(cx: &Context, x: &Tensor, axis: usize, place: usize) -> Result<Tensor> {
    check::axis("at", x.shape(), axis)?;
    check::float_or_ids("at", cx, ("x", x))?;
    if place >= x.dim(axis) {
        let message =
            format!("there is no place {place} in axis {axis} of `x`, which is {}: it has 0..{}", x.shape(), x.dim(axis));
        return Err(Error::shape("at", message));
    }
    let mut dims = x.shape().to_vec();
    dims.remove(axis);
    strips::taken(cx, "at", Strip::of(x.shape(), axis, place, 1), x, Shape::new(&dims))
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axis: usize, place: usize) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, axis, place)?, Saved { axis, place, x: *x.shape() }))
}

/// `d_x[.., place, ..] += d_y`. The first contribution to `d_x` also clears the rest of it; later ones touch nothing else.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { axis, place, x } = saved;
    check::gradient("at", cx, ("d_y", &d_y), Axes::from(Some(axis)).result(&x))?;
    let Some((d_x, add)) = d_x.target(cx, x)? else { return Ok(()) };
    let strip = Strip::of(&x, axis, place, 1);
    let _op = cx.op("at", || Cost::default().reads([&d_y]).moves(if add { 2 * d_y.bytes() } else { d_x.bytes() }));
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
