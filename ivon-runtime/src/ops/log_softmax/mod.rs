//! Log-softmax over the last axis.

mod cpu;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The output.
#[derive(Debug)]
pub struct Saved {
    y: Tensor,
}

/// y = x - ln(sum of e^x), over the last axis of `x`.
///
/// # Errors
/// If `x` is a scalar.
pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
    check::float("log_softmax", cx, &[("x", x)])?;
    check::rank("log_softmax", ("x", x.shape()), 1)?;
    let mut y = cx.empty(*x.shape())?;
    let _op = cx.op("log_softmax", || Cost::each(x, 5).reads([x]).writes(&y, false));
    if cx.cuda().is_some() {
        super::softmax::cuda::forward(cx, x, &mut y, true)?;
    } else if !cx.planning() {
        let width = x.shape().last();
        let task = rows_a_task(width) * width.max(1);
        with_real!(cx.dtype(), E => {
            let x = x.as_slice::<E>();
            pieces(y.as_mut_slice::<E>(), task, |i, y| cpu::forward(&x[i * task..][..y.len()], y, width));
        });
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x)?;
    Ok((y.clone(), Saved { y }))
}

/// `d_x += d_y - e^y · sum of d_y`, over the last axis.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { y } = saved;
    check::gradient("log_softmax", cx, ("d_y", &d_y), *y.shape())?;
    let Some((d_x, add)) = d_x.target(cx, *y.shape())? else { return Ok(()) };
    let _op = cx.op("log_softmax", || Cost::each(&y, 4).reads([&y, &d_y]).writes(d_x, add));
    if cx.cuda().is_some() {
        super::softmax::cuda::backward(cx, &y, &d_y, d_x, true, add)?;
    } else if !cx.planning() {
        let width = y.shape().last();
        let task = rows_a_task(width) * width.max(1);
        with_real!(cx.dtype(), E => {
            let (y, d_y) = (y.as_slice::<E>(), d_y.as_slice::<E>());
            pieces(d_x.as_mut_slice::<E>(), task, |i, d_x| {
                let range = i * task..i * task + d_x.len();
                cpu::backward((&y[range.clone()], &d_y[range]), d_x, width, add);
            });
        });
    }
    Ok(())
}
