//! Sums over axes, scaled, and the reverse, repeating along axes: parts of sum, mean, expand and broadcasting.

pub(crate) mod cuda;

use super::axes::{Axes, Parts};
use super::reduce::{sum_of, sum_rows};
use super::{check, with_real};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use crate::versions;

/// The number of elements that are added up for each output.
pub(crate) fn count(x: &Shape, axes: Axes) -> usize {
    Parts::steps(x, axes).iter().map(|step| step.axis).product()
}

pub(crate) fn check(at: &str, cx: &Context, x: &Tensor, axes: Axes) -> Result<()> {
    check::float(at, cx, &[("x", x)])?;
    axes.check(at, x.shape())
}

/// y = scale · sum over the axes.
pub(crate) fn forward(cx: &Context, x: &Tensor, axes: Axes, scale: f64) -> Result<Tensor> {
    let mut y = cx.empty(axes.result(x.shape()))?;
    sum_over(cx, x, axes, &mut y, scale, false)?;
    Ok(y)
}

/// The sum over the axes along which `y` was broadcast to the shape of `x`: `y` is overwritten or added to.
pub(crate) fn sum_to(cx: &Context, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
    let axes = Axes::broadcast(y.shape(), x.shape());
    match Parts::steps(x.shape(), axes).as_slice() {
        [Parts { outer: 1, .. }] => sum_rows(cx, x, y, add),
        _ => sum_over(cx, x, axes, y, 1.0, add),
    }
}

/// y = scale · sum over the axes of x; or y += it, with a scale of 1.
fn sum_over(cx: &Context, x: &Tensor, axes: Axes, y: &mut Tensor, scale: f64, add: bool) -> Result<()> {
    let steps = Parts::steps(x.shape(), axes);
    let mut left = x.clone();
    for (i, step) in steps.iter().enumerate() {
        if i + 1 == steps.len() {
            return sum_step(cx, &left, *step, y, scale, add);
        }
        let mut sums = cx.empty([step.outer, step.inner])?;
        sum_step(cx, &left, *step, &mut sums, 1.0, false)?;
        left = sums;
    }
    Ok(())
}

fn sum_step(cx: &Context, x: &Tensor, step: Parts, y: &mut Tensor, scale: f64, add: bool) -> Result<()> {
    let Parts { outer, axis, inner } = step;
    // Sums of rows open a scope themselves.
    let is_own = outer > 1 || cx.cuda().is_some();
    let _op = is_own.then(|| cx.op("sum", || Cost::each(x, 1).reads([x]).writes(y, add)));
    if cx.cuda().is_some() {
        super::reduce::cuda::sum(cx, x, y, [outer, axis, inner], scale, add)?;
    } else if outer == 1 {
        // Also the sum of all, which is that of rows of one element.
        sum_rows(cx, x, y, add)?;
        if !cx.planning() && scale != 1.0 {
            with_real!(cx.dtype(), E => y.as_mut_slice::<E>().iter_mut().for_each(|y| *y *= E::of(scale)));
        }
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let x = x.as_slice::<E>();
            let rows = rows_a_task(axis * inner);
            pieces(y.as_mut_slice::<E>(), rows * inner.max(1), |task, y| {
                sum(&x[task * rows * axis * inner..], y, axis, inner, E::of(scale), add);
            });
        });
    }
    Ok(())
}

versions! {
    /// y\[o, i\] = scale · sum over a of x\[o, a, i\], or += it.
    fn sum<{E: Real} {E}>(x: &[E], y: &mut [E], axis: usize, inner: usize, scale: E, add: bool) {
        for (o, y) in y.chunks_exact_mut(inner).enumerate() {
            let x = &x[o * axis * inner..][..axis * inner];
            if inner == 1 {
                let sum = sum_of(x, |x| x) * scale;
                y[0] = if add { y[0] + sum } else { sum };
                continue;
            }
            if !add {
                y.fill(E::default());
            }
            for row in x.chunks_exact(inner) {
                for (y, x) in y.iter_mut().zip(row) {
                    *y += *x;
                }
            }
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }
}

/// d_x += scale · d_y, repeated along the axes.
pub(crate) fn backward(at: &str, cx: &Context, x: Shape, axes: Axes, scale: f64, d_y: &Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient(at, cx, ("d_y", d_y), axes.result(&x))?;
    match d_x.target(cx, x)? {
        Some((d_x, add)) => repeat_along(cx, d_y, axes, d_x, scale, add),
        None => Ok(()),
    }
}

/// to = scale · from, repeated along `axes` of `to`; or += it.
pub(crate) fn repeat_along(cx: &Context, from: &Tensor, axes: Axes, to: &mut Tensor, scale: f64, add: bool) -> Result<()> {
    let steps = Parts::steps(to.shape(), axes);
    let mut grown = from.clone();
    for (i, step) in steps.iter().enumerate().rev() {
        if i == 0 {
            return repeat_into(cx, &grown, to, (step.axis, step.inner), scale, add);
        }
        let mut more = cx.empty([step.outer, step.axis, step.inner])?;
        repeat_into(cx, &grown, &mut more, (step.axis, step.inner), 1.0, false)?;
        grown = more;
    }
    Ok(())
}

/// d_x += scale · d_y \[outer, inner\], repeated `count` times in between; `d_x` has shape `x`, of as many elements.
pub(crate) fn repeat_over(
    cx: &Context,
    x: Shape,
    (count, inner): (usize, usize),
    scale: f64,
    d_y: &Tensor,
    d_x: &mut Adjoint,
) -> Result<()> {
    match d_x.target(cx, x)? {
        Some((d_x, add)) => repeat_into(cx, d_y, d_x, (count, inner), scale, add),
        None => Ok(()),
    }
}

fn repeat_into(
    cx: &Context,
    from: &Tensor,
    to: &mut Tensor,
    (count, inner): (usize, usize),
    scale: f64,
    add: bool,
) -> Result<()> {
    let _op = cx.op("repeat", || Cost::each(to, 1).reads([from]).writes(to, add));
    match cx.cuda() {
        Some(_) => cuda::repeat(cx, from, to, (count, inner), scale, add)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let from = from.as_slice::<E>();
            let inner = inner.max(1);
            let rows = rows_a_task(inner);
            pieces(to.as_mut_slice::<E>(), rows * inner, |task, to| {
                repeat(from, to, (task * rows, count), inner, E::of(scale), add);
            });
        }),
    }
    Ok(())
}

versions! {
    fn repeat<{E: Real} {E}>(d_y: &[E], d_x: &mut [E], position: (usize, usize), inner: usize, scale: E, add: bool) {
        let (first, axis) = position;
        for (row, d_x) in d_x.chunks_exact_mut(inner).enumerate() {
            let from = &d_y[(first + row) / axis * inner..][..inner];
            for (d_x, d_y) in d_x.iter_mut().zip(from) {
                *d_x = if add { *d_x + *d_y * scale } else { *d_y * scale };
            }
        }
    }
}
