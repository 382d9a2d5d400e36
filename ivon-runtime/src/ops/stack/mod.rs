//! Stack: tensors of one shape along a new axis. The steps `[B, WIDTH]` of a sequence become `[B, T, WIDTH]`.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::collected::Adjoints;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::strips;
use crate::ops::shared::strips::Strip;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The axis, the number of tensors, and the shape that each has.
#[derive(Debug)]
pub struct Saved {
    axis: usize,
    count: usize,
    each: Shape,
}

/// The tensors `xs` along a new axis, which stands before their axis `axis`, or behind all of them.
///
/// # Errors
/// If there is no tensor, no such place for an axis, or the shapes differ.
pub fn forward(cx: &Context, xs: &[&Tensor], axis: usize) -> Result<Tensor> {
    let Some(first) = xs.first() else {
        return Err(Error::shape("stack", "there is nothing to stack: at least one tensor is expected"));
    };
    let mut dims = first.shape().to_vec();
    if axis > dims.len() {
        let message = format!("a new axis of {} is one of 0..={}, and {axis} is given", first.shape(), dims.len());
        return Err(Error::shape("stack", message));
    }
    for x in xs {
        check::float("stack", cx, &[("x", x)])?;
        if x.shape() != first.shape() {
            return Err(Error::shape("stack", format!("{} and {} are not of one shape", first.shape(), x.shape())));
        }
    }
    dims.insert(axis, xs.len());
    let mut y = cx.empty(Shape::new(&dims))?;
    let whole = *y.shape();
    let _op = cx.op("stack", || Cost::default().moves(2 * y.bytes()));
    for (i, x) in xs.iter().enumerate() {
        let strip = Strip::of(&whole, axis, i, 1);
        match cx.cuda() {
            Some(_) => strips::cuda::put(cx, strip, x, &mut y, false)?,
            None if cx.planning() => {}
            None => with_real!(cx.dtype(), E => strip.put::<E>(x.as_slice(), y.as_mut_slice(), false)),
        }
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, xs: &[&Tensor], axis: usize) -> Result<(Tensor, Saved)> {
    let each = xs.first().map_or(Shape::new(&[]), |x| *x.shape());
    Ok((forward(cx, xs, axis)?, Saved { axis, count: xs.len(), each }))
}

/// Each of `d_xs` gets its place of `d_y`, in the order of the tensors.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_xs: &mut [&mut Adjoint]) -> Result<()> {
    let mut whole = saved.each.to_vec();
    whole.insert(saved.axis, saved.count);
    check::gradient("stack", cx, ("d_y", &d_y), &*whole)?;
    let _op = cx.op("stack", || Cost::default().moves(2 * d_y.bytes()));
    for (i, d_x) in d_xs.iter_mut().enumerate() {
        if let Some((d_x, add)) = d_x.target(cx, saved.each)? {
            let strip = Strip::of(d_y.shape(), saved.axis, i, 1);
            match cx.cuda() {
                Some(_) => strips::cuda::take(cx, strip, &d_y, d_x, add)?,
                None if cx.planning() => {}
                None => with_real!(cx.dtype(), E => strip.take::<E>(d_y.as_slice(), d_x.as_mut_slice(), add)),
            }
        }
    }
    Ok(())
}

/// [`backward`] for the tensors of a list.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward_of_list(cx: &Context, saved: Saved, d_y: Tensor, d_list: &mut Adjoints) -> Result<()> {
    let count = saved.count;
    backward(cx, saved, d_y, &mut d_list.first(count))
}
