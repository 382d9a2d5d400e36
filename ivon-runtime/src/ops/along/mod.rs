//! Sums over one axis or all of them, scaled: what sum and mean are made of.

pub(super) mod cuda;

use super::parallel::{pieces, rows_a_task};
use super::reduce::{sum_of, sum_rows};
use super::{check, with_real};
use crate::profile::Cost;
use crate::{Adjoint, Context, Real, Result, Shape, Tensor, versions};

/// A tensor as \[outer, axis, inner\].
#[derive(Clone, Copy)]
struct Parts {
    outer: usize,
    axis: usize,
    inner: usize,
}

impl Parts {
    fn of(x: &Shape, axis: Option<usize>) -> Parts {
        match axis {
            None => Parts { outer: 1, axis: x.elements(), inner: 1 },
            Some(axis) => Parts { outer: x[..axis].iter().product(), axis: x[axis], inner: x[axis + 1..].iter().product() },
        }
    }
}

/// How many numbers are added up for each output.
pub(super) fn count(x: &Shape, axis: Option<usize>) -> usize {
    Parts::of(x, axis).axis
}

pub(super) fn check(at: &str, cx: &Context, x: &Tensor, axis: Option<usize>) -> Result<()> {
    check::float(at, cx, &[("x", x)])?;
    axis.map_or(Ok(()), |axis| check::axis(at, x.shape(), axis))
}

/// y = scale · sum over the axis, which the output lacks.
pub(super) fn forward(cx: &Context, x: &Tensor, axis: Option<usize>, scale: f64) -> Result<Tensor> {
    let parts = Parts::of(x.shape(), axis);
    let mut dims = x.shape().to_vec();
    match axis {
        None => dims.clear(),
        Some(axis) => drop(dims.remove(axis)),
    }
    let mut y = cx.empty(Shape::new(&dims))?;
    // Sums of rows say it themselves.
    let is_own = parts.outer > 1 || cx.cuda().is_some();
    let _op = is_own.then(|| cx.op("sum", || Cost::each(x, 1).reads([x]).writes(&y, false)));
    if cx.cuda().is_some() {
        let Parts { outer, axis, inner } = parts;
        super::reduce::cuda::sum(cx, x, &mut y, [outer, axis, inner], scale, false)?;
    } else if parts.outer == 1 {
        // Also the sum of all, which is that of rows of one element.
        sum_rows(cx, x, &mut y, false)?;
        if !cx.planning() && scale != 1.0 {
            with_real!(cx.dtype(), E => y.as_mut_slice::<E>().iter_mut().for_each(|y| *y *= E::of(scale)));
        }
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let x = x.as_slice::<E>();
            let rows = rows_a_task(parts.axis * parts.inner);
            pieces(y.as_mut_slice::<E>(), rows * parts.inner.max(1), |task, y| {
                sum(&x[task * rows * parts.axis * parts.inner..], y, parts.axis, parts.inner, E::of(scale));
            });
        });
    }
    Ok(y)
}

versions! {
    /// y\[o, i\] = scale · sum over a of x\[o, a, i\].
    fn sum<{E: Real} {E}>(x: &[E], y: &mut [E], axis: usize, inner: usize, scale: E) {
        for (o, y) in y.chunks_exact_mut(inner).enumerate() {
            let x = &x[o * axis * inner..][..axis * inner];
            if inner == 1 {
                y[0] = sum_of(x, |x| x) * scale;
                continue;
            }
            y.fill(E::default());
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

/// d_x += scale · d_y, repeated along the axis.
pub(super) fn backward(cx: &Context, x: Shape, axis: Option<usize>, scale: f64, d_y: &Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Parts { axis, inner, .. } = Parts::of(&x, axis);
    repeat_over(cx, x, (axis, inner), scale, d_y, d_x)
}

/// d_x += scale · d_y \[outer, inner\], repeated `count` times in between; `d_x` has shape `x`, of as many elements.
pub(super) fn repeat_over(
    cx: &Context,
    x: Shape,
    (count, inner): (usize, usize),
    scale: f64,
    d_y: &Tensor,
    d_x: &mut Adjoint,
) -> Result<()> {
    let Some((d_x, add)) = d_x.target(cx, x)? else { return Ok(()) };
    let _op = cx.op("repeat", || Cost::each(d_x, 1).reads([d_y]).writes(d_x, add));
    match cx.cuda() {
        Some(_) => cuda::repeat(cx, d_y, d_x, (count, inner), scale, add)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let d_y = d_y.as_slice::<E>();
            let inner = inner.max(1);
            let rows = rows_a_task(inner);
            pieces(d_x.as_mut_slice::<E>(), rows * inner, |task, d_x| {
                repeat(d_y, d_x, (task * rows, count), inner, E::of(scale), add);
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
