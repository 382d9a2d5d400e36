//! Mean squared error.

#[cfg(test)]
mod tests;

use super::mean;
use super::pointwise::{self, Kernel};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::device::cpu::real::Real;
use crate::ops::shared::check;
use crate::tensor::Tensor;

/// Both arguments.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    y: Tensor,
}

/// The mean of (x - y)² over all elements of two tensors of one shape. Micro-batches weigh by their elements ([`Context::counted`]).
///
/// # Errors
/// If the shapes differ, or there is no element.
pub fn forward(cx: &Context, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    check::float("mse", cx, &[("x", x), ("y", y)])?;
    if x.shape() != y.shape() {
        return Err(Error::mismatch("mse", ("x", x.shape()), ("y", y.shape())));
    }
    let n = x.shape().elements();
    if n == 0 && !cx.in_micro_batches() {
        return Err(Error::shape("mse", format!("`x` is {}: the mean of nothing is not a number", x.shape())));
    }
    cx.counted("mse", n)?;
    let squares = pointwise::forward(cx, Square, [x, y], [])?;
    mean::of_parameters(cx, &squares, None)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, y: &Tensor) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, y)?, Saved { x: x.clone(), y: y.clone() }))
}

/// `d_x += 2 (x - y) d_loss / n` and `d_y -=` the same.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_loss: Tensor, d_x: &mut Adjoint, d_y: &mut Adjoint) -> Result<()> {
    let Saved { x, y } = saved;
    check::gradient("mse", cx, ("d_loss", &d_loss), [])?;
    let shape = *x.shape();
    let scale = 2.0 / shape.elements() as f64;
    pointwise::backward(cx, Difference, shape, [&d_loss, &x, &y], [scale], [(d_x, shape), (d_y, shape)])
}

struct Square;
impl Kernel<2, 0, 1> for Square {
    const NAME: &'static str = "(x - y)²";
    const CUDA: &'static str = "y0 = (x0 - x1) * (x0 - x1);";
    const OPERATIONS: usize = 2;
    #[inline(always)]
    fn apply<E: Real>([x, y]: [E; 2], []: [E; 0]) -> [E; 1] {
        [(x - y) * (x - y)]
    }
}

struct Difference;
impl Kernel<3, 1, 2> for Difference {
    const NAME: &'static str = Square::NAME;
    const CUDA: &'static str = "y0 = x0 * s0 * (x1 - x2);\ny1 = -y0;";
    const OPERATIONS: usize = 4;
    #[inline(always)]
    fn apply<E: Real>([d_loss, x, y]: [E; 3], [scale]: [E; 1]) -> [E; 2] {
        let d_x = d_loss * scale * (x - y);
        [d_x, -d_x]
    }
}
