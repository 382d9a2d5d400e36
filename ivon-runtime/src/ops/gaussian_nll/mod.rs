//! Negative log-likelihood of a Gaussian: regression with a variance that is predicted too.

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

/// The arguments.
#[derive(Debug)]
pub struct Saved {
    mean: Tensor,
    log_variance: Tensor,
    y: Tensor,
}

/// The mean over all elements of (ln 2π + v + (y - m)² e^-v) / 2 for the mean m and the log-variance v, in nats; three tensors of one shape. Micro-batches weigh by their
/// elements ([`Context::counted`]).
///
/// # Errors
/// If the shapes differ, or there is no element.
pub fn forward(cx: &Context, mean: &Tensor, log_variance: &Tensor, y: &Tensor) -> Result<Tensor> {
    const AT: &str = "gaussian_nll";
    check::float(AT, cx, &[("mean", mean), ("log_variance", log_variance), ("y", y)])?;
    for (name, other) in [("log_variance", log_variance), ("y", y)] {
        if mean.shape() != other.shape() {
            return Err(Error::mismatch(AT, ("mean", mean.shape()), (name, other.shape())));
        }
    }
    let n = mean.shape().elements();
    if n == 0 && !cx.in_micro_batches() {
        return Err(Error::shape(AT, format!("`mean` is {}: the mean of nothing is not a number", mean.shape())));
    }
    cx.counted(AT, n)?;
    let losses = pointwise::forward(cx, Loss, [mean, log_variance, y], [std::f64::consts::TAU.ln()])?;
    mean::of_parameters(cx, &losses, None)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, mean: &Tensor, log_variance: &Tensor, y: &Tensor) -> Result<(Tensor, Saved)> {
    let loss = forward(cx, mean, log_variance, y)?;
    Ok((loss, Saved { mean: mean.clone(), log_variance: log_variance.clone(), y: y.clone() }))
}

/// With r = (y - m) e^-v: `d_mean -= r d_loss / n`, `d_log_variance += (1 - (y - m) r) d_loss / 2n`, `d_y += r d_loss / n`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_loss: Tensor,
    d_mean: &mut Adjoint,
    d_log_variance: &mut Adjoint,
    d_y: &mut Adjoint,
) -> Result<()> {
    let Saved { mean, log_variance, y } = saved;
    check::gradient("gaussian_nll", cx, ("d_loss", &d_loss), [])?;
    let shape = *mean.shape();
    let scale = 1.0 / shape.elements() as f64;
    let inputs = [&d_loss, &mean, &log_variance, &y];
    pointwise::backward(cx, Gradient, shape, inputs, [scale], [(d_mean, shape), (d_log_variance, shape), (d_y, shape)])
}

struct Loss;
impl Kernel<3, 1, 1> for Loss {
    const NAME: &'static str = "(ln 2π + v + (y - m)² e^-v) / 2";
    const CUDA: &'static str = "y0 = 0.5f * (s0 + x1 + (x2 - x0) * (x2 - x0) * expf(-x1));";
    const OPERATIONS: usize = 8;
    #[inline(always)]
    fn apply<E: Real>([m, v, y]: [E; 3], [constant]: [E; 1]) -> [E; 1] {
        [E::of(0.5) * (constant + v + (y - m) * (y - m) * (-v).exp())]
    }
}

struct Gradient;
impl Kernel<4, 1, 3> for Gradient {
    const NAME: &'static str = Loss::NAME;
    const CUDA: &'static str = "const float d = x0 * s0;
const float r = (x3 - x1) * expf(-x2);
y0 = -(d * r);
y1 = d * 0.5f * (1.0f - (x3 - x1) * r);
y2 = d * r;";
    const OPERATIONS: usize = 12;
    #[inline(always)]
    fn apply<E: Real>([d_loss, m, v, y]: [E; 4], [scale]: [E; 1]) -> [E; 3] {
        let d = d_loss * scale;
        let r = (y - m) * (-v).exp();
        [-(d * r), d * E::of(0.5) * (E::of(1.0) - (y - m) * r), d * r]
    }
}
