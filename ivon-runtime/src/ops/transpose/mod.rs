//! Transpose: two axes change places.

mod cpu;
pub(super) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The two axes, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    axes: (usize, usize),
    x: Shape,
}

/// y\[.., i, .., j, ..\] = x\[.., j, .., i, ..\] with the axes `a` and `b` exchanged.
///
/// # Errors
/// If `x` lacks one of the axes.
pub fn forward(cx: &Context, x: &Tensor, a: usize, b: usize) -> Result<Tensor> {
    check::axis("transpose", x.shape(), a)?;
    check::axis("transpose", x.shape(), b)?;
    check::float("transpose", cx, &[("x", x)])?;
    let mut y = cx.empty(exchanged(x.shape(), a, b))?;
    let parts = Parts::of(x.shape(), a, b);
    let _op = cx.op("transpose", || Cost::default().reads([x]).writes(&y, false));
    match cx.cuda() {
        Some(_) => cuda::transpose(cx, x, &mut y, parts, false)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => cpu::transpose::<E>(x.as_slice(), y.as_mut_slice(), parts, false)),
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, a: usize, b: usize) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, a, b)?, Saved { axes: (a, b), x: *x.shape() }))
}

/// `d_x += d_y` with the axes exchanged again.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let (a, b) = saved.axes;
    check::gradient("transpose", cx, ("d_y", &d_y), exchanged(&saved.x, a, b))?;
    let parts = Parts::of(d_y.shape(), a, b);
    if let Some((d_x, add)) = d_x.target(cx, saved.x)? {
        let _op = cx.op("transpose", || Cost::default().reads([&d_y]).writes(d_x, add));
        match cx.cuda() {
            Some(_) => cuda::transpose(cx, &d_y, d_x, parts, add)?,
            None if cx.planning() => {}
            None => with_real!(cx.dtype(), E => cpu::transpose::<E>(d_y.as_slice(), d_x.as_mut_slice(), parts, add)),
        }
    }
    Ok(())
}

fn exchanged(x: &Shape, a: usize, b: usize) -> Shape {
    let mut dims = x.to_vec();
    dims.swap(a, b);
    Shape::new(&dims)
}

/// A tensor as \[.., a, middle, b, inner\], where `a` and `b` change places.
#[derive(Clone, Copy)]
struct Parts {
    a: usize,
    middle: usize,
    b: usize,
    inner: usize,
}

impl Parts {
    fn of(x: &Shape, a: usize, b: usize) -> Parts {
        let (a, b) = (a.min(b), a.max(b));
        if a == b {
            return Parts { a: 1, middle: 1, b: 1, inner: x.elements() };
        }
        let product = |dims: &[usize]| dims.iter().product();
        Parts { a: x[a], middle: product(&x[a + 1..b]), b: x[b], inner: product(&x[b + 1..]) }
    }
}
