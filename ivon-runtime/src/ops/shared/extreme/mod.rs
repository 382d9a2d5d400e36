//! The largest or smallest number along axes, and its place: parts of amax, amin, argmax and argmin.

pub(crate) mod cuda;

use super::axes::{Axes, Parts};
use super::reduce::fold_of;
use super::{check, with_real};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::permute::reordered;
use crate::tensor::Tensor;
use crate::versions;

/// The largest or the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// The factor that makes the largest of it.
    fn sign(self) -> f64 {
        if self == Extreme::Largest { 1.0 } else { -1.0 }
    }
}

/// `x` and `y`, and the axes between them.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    y: Tensor,
    axes: Axes,
}

/// y = the extreme of x along the axes; NaN where there is one among them.
pub(crate) fn forward(at: &'static str, extreme: Extreme, cx: &Context, x: &Tensor, axes: Axes) -> Result<Tensor> {
    let (along, step) = checked(at, cx, x, axes)?;
    let mut y = cx.empty(axes.result(x.shape()))?;
    let _op = cx.op(at, || Cost::each(x, 1).reads([x]).writes(&y, false));
    let Parts { axis, inner, .. } = step;
    match cx.cuda() {
        Some(_) => cuda::forward(cx, &along, &mut y, step, extreme)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (x, rows) = (along.as_slice::<E>(), rows_a_task(axis * inner));
            pieces(y.as_mut_slice::<E>(), rows * inner, |task, y| {
                largest(&x[task * rows * axis * inner..], y, axis, inner, E::of(extreme.sign()));
            });
        }),
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
pub(crate) fn forward_saving(
    at: &'static str,
    extreme: Extreme,
    cx: &Context,
    x: &Tensor,
    axes: Axes,
) -> Result<(Tensor, Saved)> {
    let y = forward(at, extreme, cx, x, axes)?;
    Ok((y.clone(), Saved { x: x.clone(), y, axes }))
}

/// d_x += d_y / n where x = y, with the number n of such places along the axes.
pub(crate) fn backward(at: &'static str, cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { x, y, axes } = saved;
    check::gradient(at, cx, ("d_y", &d_y), *y.shape())?;
    if !d_x.wanted() {
        return Ok(());
    }
    let (along, step) = arranged(cx, &x, axes)?;
    let mut parts = cx.empty([step.outer, step.inner])?;
    {
        let _op = cx.op(at, || Cost::each(&x, 1).reads([&x, &y, &d_y]).writes(&parts, false));
        let Parts { axis, inner, .. } = step;
        match cx.cuda() {
            Some(_) => cuda::parts(cx, [&along, &y, &d_y], &mut parts, step)?,
            None if cx.planning() => {}
            None => with_real!(cx.dtype(), E => {
                let (x, y, d_y) = (along.as_slice::<E>(), y.as_slice::<E>(), d_y.as_slice::<E>());
                let rows = rows_a_task(axis * inner);
                pieces(parts.as_mut_slice::<E>(), rows * inner, |task, parts| {
                    let at = task * rows * inner;
                    let range = at..at + parts.len();
                    shares(&x[at * axis..], (&y[range.clone()], &d_y[range]), parts, axis, inner);
                });
            }),
        }
    }
    match order(x.shape(), axes) {
        None => give(at, cx, [&along, &y, &parts], step, *x.shape(), d_x),
        Some(order) => {
            let mut ordered = Adjoint::new();
            give(at, cx, [&along, &y, &parts], step, *along.shape(), &mut ordered)?;
            let mut inverse = vec![0; order.len()];
            order.iter().enumerate().for_each(|(i, axis)| inverse[*axis] = i);
            let contribution = reordered(cx, &ordered.into_sum(at)?, &inverse)?;
            d_x.add(cx, contribution)
        }
    }
}

/// d_x += the part of each place where x = y.
fn give(at: &'static str, cx: &Context, [x, y, parts]: [&Tensor; 3], step: Parts, shape: Shape, d_x: &mut Adjoint) -> Result<()> {
    let Some((d_x, add)) = d_x.target(cx, shape)? else { return Ok(()) };
    let _op = cx.op(at, || Cost::each(x, 1).reads([x, y, parts]).writes(d_x, add));
    let Parts { axis, inner, .. } = step;
    match cx.cuda() {
        Some(_) => cuda::give(cx, [x, y, parts], d_x, step, add)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (x, y, parts) = (x.as_slice::<E>(), y.as_slice::<E>(), parts.as_slice::<E>());
            let rows = rows_a_task(axis * inner);
            pieces(d_x.as_mut_slice::<E>(), rows * axis * inner, |task, d_x| {
                let at = task * rows * inner;
                let range = at..at + d_x.len() / axis;
                chosen(&x[at * axis..], (&y[range.clone()], &parts[range]), d_x, axis, inner, add);
            });
        }),
    }
    Ok(())
}

/// The place of the first extreme along one axis, or along all as one; a NaN counts as one. The result holds ids.
pub(crate) fn place(at: &'static str, extreme: Extreme, cx: &Context, x: &Tensor, axes: Axes) -> Result<Tensor> {
    let (along, step) = checked(at, cx, x, axes)?;
    let mut y = cx.empty_of(DType::U32, axes.result(x.shape()))?;
    let _op = cx.op(at, || Cost::each(x, 1).reads([x]).writes(&y, false));
    let Parts { axis, inner, .. } = step;
    match cx.cuda() {
        Some(_) => cuda::place(cx, &along, &mut y, step, extreme)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (x, rows) = (along.as_slice::<E>(), rows_a_task(axis * inner));
            pieces(y.as_mut_slice::<u32>(), rows * inner, |task, y| {
                let at = task * rows * inner;
                for (i, y) in y.iter_mut().enumerate() {
                    let line = x[(at + i) / inner * axis * inner + (at + i) % inner..].iter().step_by(inner).take(axis);
                    *y = first(line.copied(), E::of(extreme.sign()));
                }
            });
        }),
    }
    Ok(y)
}

/// The place of the first largest of x · sign, or of the first NaN.
fn first<E: Real>(x: impl Iterator<Item = E>, sign: E) -> u32 {
    let (mut best, mut at) = (E::of(f64::NEG_INFINITY), 0);
    for (i, x) in x.enumerate() {
        let x = x * sign;
        if x > best || i == 0 || (x.is_nan() && !best.is_nan()) {
            (best, at) = (x, i as u32);
        }
    }
    at
}

/// Checks the arguments; `x` arranged as one step.
fn checked(at: &'static str, cx: &Context, x: &Tensor, axes: Axes) -> Result<(Tensor, Parts)> {
    check::float(at, cx, &[("x", x)])?;
    axes.check(at, x.shape())?;
    let arranged = arranged(cx, x, axes)?;
    if arranged.1.axis == 0 {
        return Err(Error::shape(at, format!("`x` is {}: nothing has no largest or smallest number", x.shape())));
    }
    Ok(arranged)
}

/// `x` such that the axes are one: as it is where they are neighbours, else with them in the last place.
pub(crate) fn arranged(cx: &Context, x: &Tensor, axes: Axes) -> Result<(Tensor, Parts)> {
    match order(x.shape(), axes) {
        None => Ok((x.clone(), Parts::steps(x.shape(), axes)[0])),
        Some(order) => {
            let axis = order.iter().filter(|axis| axes.has(**axis)).map(|axis| x.dim(*axis)).product();
            let step = Parts { outer: x.shape().elements().checked_div(axis).unwrap_or(0), axis, inner: 1 };
            Ok((reordered(cx, x, &order)?, step))
        }
    }
}

/// The order of the axes that puts those of a reduction last, where they are not neighbours.
pub(crate) fn order(x: &Shape, axes: Axes) -> Option<Vec<usize>> {
    let (last, first): (Vec<usize>, Vec<usize>) = (0..x.rank()).partition(|axis| axes.has(*axis));
    (Parts::steps(x, axes).len() > 1).then(|| [first, last].concat())
}

versions! {
    /// y\[o, i\] = sign · the largest over a of sign · x\[o, a, i\].
    fn largest<{E: Real} {E}>(x: &[E], y: &mut [E], axis: usize, inner: usize, sign: E) {
        for (o, y) in y.chunks_exact_mut(inner).enumerate() {
            let x = &x[o * axis * inner..][..axis * inner];
            if inner == 1 {
                y[0] = fold_of(x, E::of(f64::NEG_INFINITY), |x| x * sign, |x, y| x.max(y)) * sign;
                continue;
            }
            y.copy_from_slice(&x[..inner]);
            for row in x.chunks_exact(inner) {
                for (y, x) in y.iter_mut().zip(row) {
                    *y = (*x * sign).max(*y * sign) * sign;
                }
            }
        }
    }
}

versions! {
    /// parts\[o, i\] = d_y\[o, i\] / the number of x\[o, .., i\] that are y\[o, i\].
    fn shares<{E: Real} {E}>(x: &[E], of: (&[E], &[E]), parts: &mut [E], axis: usize, inner: usize) {
        let (y, d_y) = of;
        parts.fill(E::default());
        for (row, x) in x.chunks_exact(inner).take(parts.len() / inner * axis).enumerate() {
            let at = row / axis * inner;
            for i in 0..inner {
                parts[at + i] += if x[i] == y[at + i] { E::of(1.0) } else { E::default() };
            }
        }
        for (part, d_y) in parts.iter_mut().zip(d_y) {
            *part = *d_y / *part;
        }
    }
}

versions! {
    /// d_x\[o, a, i\] = parts\[o, i\] where x\[o, a, i\] is y\[o, i\], else 0; or += it.
    fn chosen<{E: Real} {E}>(x: &[E], of: (&[E], &[E]), d_x: &mut [E], axis: usize, inner: usize, add: bool) {
        let (y, parts) = of;
        for (row, (d_x, x)) in d_x.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).enumerate() {
            let at = row / axis * inner;
            for i in 0..inner {
                // A line with NaN has no place where x = y: its gradient is 0 · infinity, NaN.
                let equal = if x[i] == y[at + i] { E::of(1.0) } else { E::default() };
                let part = equal * parts[at + i];
                d_x[i] = if add { d_x[i] + part } else { part };
            }
        }
    }
}
