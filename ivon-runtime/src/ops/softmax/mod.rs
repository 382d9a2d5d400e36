//! Softmax over the last axis, and the computation of its logarithm.

mod cpu;
pub(super) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::Result;
use crate::device::cpu::real::Real;
use crate::ops::shared::check;
use crate::tensor::Tensor;

/// The output.
#[derive(Debug)]
pub struct Saved {
    pub(super) y: Tensor,
}

/// y = e^x / sum of e^x, over the last axis of `x`.
///
/// # Errors
/// If `x` is a scalar.
pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
    normalized(cx, x, false)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x)?;
    Ok((y.clone(), Saved { y }))
}

/// `d_x += y · (d_y - sum of d_y · y)`, over the last axis.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    differentiated(cx, saved, d_y, d_x, false)
}

fn name(log: bool) -> &'static str {
    if log { "log_softmax" } else { "softmax" }
}

/// The forward pass of softmax, or of log-softmax.
pub(super) fn normalized(cx: &Context, x: &Tensor, log: bool) -> Result<Tensor> {
    check::float(name(log), cx, &[("x", x)])?;
    check::rank(name(log), ("x", x.shape()), 1)?;
    let mut y = cx.empty(*x.shape())?;
    cx.run(name(log), Forward { x, y: &mut y, log })?;
    Ok(y)
}

/// The backward pass of softmax, or of log-softmax.
pub(super) fn differentiated(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint, log: bool) -> Result<()> {
    let Saved { y } = saved;
    check::gradient(name(log), cx, ("d_y", &d_y), *y.shape())?;
    d_x.run(cx, name(log), *y.shape(), |d_x, add| Backward { y: &y, d_y: &d_y, d_x, log, add })
}

struct Forward<'a> {
    x: &'a Tensor,
    y: &'a mut Tensor,
    log: bool,
}

impl Compute for Forward<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.x, 5).reads([self.x]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        cpu::forward::<E>(self.x.as_slice(), self.y.as_mut_slice(), self.x.shape().last(), self.log);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::forward(cx, self.x, self.y, self.log)
    }
}

struct Backward<'a> {
    y: &'a Tensor,
    d_y: &'a Tensor,
    d_x: &'a mut Tensor,
    log: bool,
    add: bool,
}

impl Compute for Backward<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.y, 4).reads([self.y, self.d_y]).writes(self.d_x, self.add)
    }

    fn cpu<E: Real>(self) {
        let width = self.y.shape().last();
        cpu::backward::<E>(self.y.as_slice(), self.d_y.as_slice(), self.d_x.as_mut_slice(), width, self.log, self.add);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::backward(cx, self.y, self.d_y, self.d_x, self.log, self.add)
    }
}
