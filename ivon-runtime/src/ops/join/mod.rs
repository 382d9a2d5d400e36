//! Join: tensors one after the other along an axis, `concat` in a model.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::strips;
use crate::ops::shared::strips::Strip;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The axis, and the shapes of the parts.
#[derive(Debug)]
pub struct Saved {
    axis: usize,
    parts: Vec<Shape>,
}

/// The tensors `xs` one after the other along `axis`; all other dimensions are equal.
///
/// # Errors
/// If there is no tensor, no such axis, or another dimension differs.
pub fn forward(cx: &Context, xs: &[&Tensor], axis: usize) -> Result<Tensor> {
    let Some(first) = xs.first() else {
        return Err(Error::shape("join", "there is nothing to concatenate: at least one tensor is expected"));
    };
    check::axis("join", first.shape(), axis)?;
    let mut dims = first.shape().to_vec();
    dims[axis] = 0;
    for x in xs {
        check::float("join", cx, &[("x", x)])?;
        let mut other = x.shape().to_vec();
        let along = other.get_mut(axis).map(std::mem::take);
        let (Some(along), true) =
            (along, other.iter().enumerate().all(|(i, d)| i == axis || dims.get(i) == Some(d)) && other.len() == dims.len())
        else {
            let message = format!("{} and {} differ in more than axis {axis}", first.shape(), x.shape());
            return Err(Error::shape("join", message));
        };
        dims[axis] += along;
    }
    let mut y = cx.empty(Shape::new(&dims))?;
    let whole = *y.shape();
    let _op = cx.op("concat", || Cost::default().moves(2 * y.bytes()));
    let mut start = 0;
    for x in xs {
        let strip = Strip::of(&whole, axis, start, x.dim(axis));
        match cx.cuda() {
            Some(_) => strips::cuda::put(cx, strip, x, &mut y, false)?,
            None if cx.planning() => {}
            None => with_real!(cx.dtype(), E => strip.put::<E>(x.as_slice(), y.as_mut_slice(), false)),
        }
        start += x.dim(axis);
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, xs: &[&Tensor], axis: usize) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, xs, axis)?, Saved { axis, parts: xs.iter().map(|x| *x.shape()).collect() }))
}

/// Each of `d_xs` gets its part of `d_y`, in the order of the tensors.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_xs: &mut [&mut Adjoint]) -> Result<()> {
    let Saved { axis, parts } = saved;
    let mut whole = parts[0].to_vec();
    whole[axis] = parts.iter().map(|part| part[axis]).sum();
    check::gradient("join", cx, ("d_y", &d_y), &*whole)?;
    let _op = cx.op("concat", || Cost::default().moves(2 * d_y.bytes()));
    let mut start = 0;
    for (d_x, part) in d_xs.iter_mut().zip(parts) {
        if let Some((d_x, add)) = d_x.target(cx, part)? {
            let strip = Strip::of(d_y.shape(), axis, start, part[axis]);
            match cx.cuda() {
                Some(_) => strips::cuda::take(cx, strip, &d_y, d_x, add)?,
                None if cx.planning() => {}
                None => with_real!(cx.dtype(), E => strip.take::<E>(d_y.as_slice(), d_x.as_mut_slice(), add)),
            }
        }
        start += part[axis];
    }
    Ok(())
}
