//! ln of the sum of e^x along axes, without overflow.

pub(super) mod cuda;
#[cfg(test)]
mod tests;

use super::permute::reordered;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::shared::axes::{Axes, Parts};
use crate::ops::shared::extreme::{arranged, order};
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;
use crate::versions;

/// `x` and `y`, which is not rounded to bf16 here, and the axes between them.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    y: Tensor,
    axes: Axes,
}

/// y = ln of the sum of e^x along axes: `None` for all, `Some(1)`, `[1, 2]`; -infinity where there is nothing along them. The output lacks the axes, or has
/// them with size 1: [`Axes::keep`].
///
/// # Errors
/// If `x` lacks one of the axes.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    compute(cx, x, axes.into(), None)
}

/// `exact`: for y in f32, where the context computes in bf16.
fn compute(cx: &Context, x: &Tensor, axes: Axes, exact: Option<&mut Tensor>) -> Result<Tensor> {
    check::float("logsumexp", cx, &[("x", x)])?;
    axes.check("logsumexp", x.shape())?;
    let (along, step) = arranged(cx, x, axes)?;
    let mut y = cx.empty(axes.result(x.shape()))?;
    let _op = cx.op("logsumexp", || Cost::each(x, 3).reads([x]).writes(&y, false));
    let Parts { axis, inner, .. } = step;
    match cx.cuda() {
        Some(_) => cuda::forward(cx, &along, &mut y, exact, step)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (x, rows) = (along.as_slice::<E>(), rows_a_task(axis * inner));
            pieces(y.as_mut_slice::<E>(), rows * inner, |task, y| lines(&x[task * rows * axis * inner..], y, axis, inner));
        }),
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<(Tensor, Saved)> {
    let axes = axes.into();
    axes.check("logsumexp", x.shape())?;
    let mut exact = match cx.dtype() {
        DType::Bf16 => Some(cx.empty_of(DType::F32, axes.result(x.shape()))?),
        _ => None,
    };
    let y = compute(cx, x, axes, exact.as_mut())?;
    Ok((y.clone(), Saved { x: x.clone(), y: exact.unwrap_or(y), axes }))
}

/// `d_x += d_y · e^(x - y)`, and 0 where y is -infinity.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { x, y, axes } = saved;
    check::gradient("logsumexp", cx, ("d_y", &d_y), *y.shape())?;
    if !d_x.wanted() {
        return Ok(());
    }
    let (along, step) = arranged(cx, &x, axes)?;
    match order(x.shape(), axes) {
        None => slopes(cx, [&along, &y, &d_y], step, *x.shape(), d_x),
        Some(order) => {
            let mut ordered = Adjoint::new();
            slopes(cx, [&along, &y, &d_y], step, *along.shape(), &mut ordered)?;
            let mut inverse = vec![0; order.len()];
            order.iter().enumerate().for_each(|(i, axis)| inverse[*axis] = i);
            let contribution = reordered(cx, &ordered.into_sum("logsumexp")?, &inverse)?;
            d_x.add(cx, contribution)
        }
    }
}

fn slopes(cx: &Context, [x, y, d_y]: [&Tensor; 3], step: Parts, shape: Shape, d_x: &mut Adjoint) -> Result<()> {
    let Some((d_x, add)) = d_x.target(cx, shape)? else { return Ok(()) };
    let _op = cx.op("logsumexp", || Cost::each(x, 3).reads([x, y, d_y]).writes(d_x, add));
    let Parts { axis, inner, .. } = step;
    match cx.cuda() {
        Some(_) => cuda::backward(cx, [x, y, d_y], d_x, step, add)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (x, y, d_y) = (x.as_slice::<E>(), y.as_slice::<E>(), d_y.as_slice::<E>());
            let rows = rows_a_task(axis * inner);
            pieces(d_x.as_mut_slice::<E>(), rows * axis * inner, |task, d_x| {
                let at = task * rows * inner;
                let range = at..at + d_x.len() / axis;
                weights(&x[at * axis..], (&y[range.clone()], &d_y[range]), d_x, axis, inner, add);
            });
        }),
    }
    Ok(())
}

/// The number that is taken from every x before e^x: the largest, or 0 where that is infinite.
#[inline(always)]
fn shift<E: Real>(largest: E) -> E {
    if largest.abs() == E::of(f64::INFINITY) { E::default() } else { largest }
}

versions! {
    /// y\[o, i\] = ln of the sum over a of e^x\[o, a, i\].
    fn lines<{E: Real} {E}>(x: &[E], y: &mut [E], axis: usize, inner: usize) {
        for (at, y) in y.iter_mut().enumerate() {
            let first = at / inner * axis * inner + at % inner;
            let mut largest = E::of(f64::NEG_INFINITY);
            for a in 0..axis {
                largest = x[first + a * inner].max(largest);
            }
            let shift = shift(largest);
            let mut sum = E::default();
            for a in 0..axis {
                sum += (x[first + a * inner] - shift).exp();
            }
            *y = shift + sum.ln();
        }
    }
}

versions! {
    /// d_x\[o, a, i\] = d_y\[o, i\] e^(x\[o, a, i\] - y\[o, i\]), or += it.
    fn weights<{E: Real} {E}>(x: &[E], of: (&[E], &[E]), d_x: &mut [E], axis: usize, inner: usize, add: bool) {
        let (y, d_y) = of;
        for (row, (d_x, x)) in d_x.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).enumerate() {
            let at = row / axis * inner;
            for i in 0..inner {
                let part = d_y[at + i] * (x[i] - shift(y[at + i])).exp();
                d_x[i] = if add { d_x[i] + part } else { part };
            }
        }
    }
}
