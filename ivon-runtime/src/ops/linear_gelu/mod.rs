//! Linear, then GELU in its form with tanh: the activation is computed from the sums of the product while they are in registers or in a cache.

mod cuda;
#[cfg(test)]
mod tests;

use super::{linear, pointwise};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::device::cpu::matmul::{Finish, Matrix, Onto, multiply_then};
use crate::ops::pointwise::Kernel;
use crate::ops::shared::gelu_along;
use crate::ops::shared::gelu_along::{Gelu, Slope, activate};
use crate::ops::shared::{check, with_weight};
use crate::tensor::Tensor;

/// The values that [`backward`] reads: the operands and h.
#[derive(Debug)]
pub struct Saved {
    linear: linear::Saved,
    h: Tensor,
}

/// y = gelu(h) with h = x Wᵀ + b as [`linear`](mod@super::linear) has it and gelu(h) = h (1 + tanh(sqrt(2 / π) (h + 0.044715 h³))) / 2: as
/// [`gelu_tanh`](crate::ops::gelu_tanh) has it.
///
/// # Errors
/// If the shapes do not fit.
pub fn forward(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    linear::check_shapes("linear_gelu", cx, x, weight, bias)?;
    if cuda::activates_along(cx, x, weight, bias, false)? {
        return activated(cx, x, weight, bias, None);
    }
    pointwise::forward(cx, Gelu, [&linear::forward(cx, x, weight, bias)?], [])
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)> {
    let (outputs, _) = linear::check_shapes("linear_gelu", cx, x, weight, bias)?;
    let (y, h) = if cuda::activates_along(cx, x, weight, bias, true)? {
        let mut h = cx.empty(x.shape().with_last(outputs))?;
        (activated(cx, x, weight, bias, Some(&mut h))?, h)
    } else {
        let h = linear::forward(cx, x, weight, bias)?;
        (pointwise::forward(cx, Gelu, [&h], [])?, h)
    };
    Ok((y, Saved { linear: linear::Saved { x: x.clone(), weight: weight.clone() }, h }))
}

/// The adjoint of y, to which a product may add what it has multiplied by gelu'(h) already.
pub fn adjoint(saved: &Saved) -> Adjoint {
    Adjoint::of_function(gelu_along::NAME, saved.h.clone())
}

/// With d_h = d_y gelu'(h): as [`linear`](mod@super::linear) has it with d_h for its d_y. `d_y` is what [`adjoint`] made, or a tensor.
///
/// # Errors
/// As [`Adjoint::target`], and if nothing has contributed to `d_y`.
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: impl Into<Adjoint>,
    d_x: &mut Adjoint,
    d_weight: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    let Saved { linear, h } = saved;
    let (multiplied, d_y) = d_y.into().into_parts();
    for d_y in [&multiplied, &d_y].into_iter().flatten() {
        check::gradient("linear_gelu", cx, ("d_y", d_y), *h.shape())?;
    }
    let mut d_h = multiplied.map_or_else(Adjoint::new, Adjoint::of);
    if let Some(d_y) = d_y {
        pointwise::backward(cx, Slope, *h.shape(), [&h, &d_y], [], [(&mut d_h, *h.shape())])?;
    }
    drop(h);
    linear::backward(cx, linear, d_h.into_sum("linear_gelu")?, d_x, d_weight, d_bias)
}

/// y, in one with the product, and h where it is kept.
fn activated(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, mut h: Option<&mut Tensor>) -> Result<Tensor> {
    let (rows, outputs, inputs) = (x.shape().rows(), weight.dim(0), weight.dim(1));
    let mut y = cx.empty(x.shape().with_last(outputs))?;
    let _op = cx.op("linear_gelu", || {
        let cost = linear::product(cx, x, [outputs, inputs]).and_each(&y, Gelu::OPERATIONS).reads([x, weight]).writes(&y, false);
        h.iter().fold(cost, |cost, h| cost.writes(h, false))
    });
    if cx.cuda().is_some() {
        cuda::forward(cx, x, weight, bias, h, &mut y)?;
    } else if !cx.planning() {
        with_weight!(cx.dtype(), weight.dtype(), E, W => {
            let (x, weight) = (Matrix::new(x.as_slice::<E>(), rows, inputs), Matrix::new(weight.as_slice::<W>(), outputs, inputs));
            let onto = bias.map_or(Onto::Nothing, |bias| Onto::Row(bias.as_slice::<E>()));
            let finish = Finish { each: &|_, y, h| activate(y, h), beside: h.as_mut().map(|h| h.as_mut_slice::<E>()) };
            multiply_then(cx.precision(), x, weight.transposed(), onto, Some(finish), y.as_mut_slice::<E>(), outputs);
        });
    }
    Ok(y)
}
