//! Linear: y = x Wᵀ + b.

pub(super) mod cuda;
#[cfg(test)]
mod tests;

use super::pointwise::Kernel;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::device::cpu::matmul::{Finish, Matrix, Onto, multiply_as, multiply_onto, multiply_then};
use crate::ops::shared::gelu_along;
use crate::ops::shared::gelu_along::{Slope, multiply_by_slope};
use crate::ops::shared::{check, reduce, with_real, with_weight};
use crate::tensor::Tensor;

/// The operands.
#[derive(Debug)]
pub struct Saved {
    pub(super) x: Tensor,
    pub(super) weight: Tensor,
}

impl Saved {
    /// IN.
    pub(super) fn inputs(&self) -> usize {
        self.weight.dim(1)
    }
}

/// y = x Wᵀ + b over the last axis of `x` \[.., IN\], with `weight` \[OUT, IN\] and `bias` \[OUT\].
///
/// # Errors
/// If the shapes do not fit.
pub fn forward(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = check_shapes("linear", cx, x, weight, bias)?;
    let mut y = cx.empty(x.shape().with_last(outputs))?;
    let _op = cx.op("linear", || product(cx, x, [outputs, inputs]).reads([x, weight]).writes(&y, false));
    if cx.cuda().is_some() {
        cuda::forward(cx, x, weight, bias, &mut y)?;
    } else if !cx.planning() {
        let rows = x.shape().rows();
        with_weight!(cx.dtype(), weight.dtype(), E, W => {
            let (x, weight) = (Matrix::new(x.as_slice::<E>(), rows, inputs), Matrix::new(weight.as_slice::<W>(), outputs, inputs));
            let onto = bias.map_or(Onto::Nothing, |bias| Onto::Row(bias.as_slice::<E>()));
            multiply_onto(cx.precision(), x, weight.transposed(), onto, y.as_mut_slice::<E>(), outputs);
        });
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, weight, bias)?, Saved { x: x.clone(), weight: weight.clone() }))
}

/// `d_x += d_y W`, `d_weight += d_yᵀ x`, `d_bias +=` the sum of the rows of `d_y`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_x: &mut Adjoint,
    d_weight: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    let Saved { x, weight } = saved;
    let (outputs, inputs) = (weight.dim(0), weight.dim(1));
    let (shape, rows) = (*x.shape(), x.shape().rows());
    check::gradient("linear", cx, ("d_y", &d_y), shape.with_last(outputs))?;
    let mut sums = None;
    if let Some((d_weight, add)) = d_weight.target(cx, *weight.shape())? {
        let _op = cx.op("linear d_weight", || product(cx, &x, [outputs, inputs]).reads([&x, &d_y]).writes(d_weight, add));
        match cx.cuda() {
            Some(_) => sums = cuda::weight(cx, &d_y, &x, d_weight, add, d_bias.wanted())?,
            None if cx.planning() => {}
            None => with_real!(cx.dtype(), E => {
                let (x, d_y) = (Matrix::new(x.as_slice::<E>(), rows, inputs), Matrix::new(d_y.as_slice::<E>(), rows, outputs));
                multiply_as(cx.precision(), d_y.transposed(), x, d_weight.as_mut_slice::<E>(), inputs, add);
            }),
        }
    }
    drop(x);
    if let Some(sums) = sums {
        d_bias.add(cx, sums)?;
    } else if let Some((d_bias, add)) = d_bias.target(cx, [outputs])? {
        reduce::sum_rows(cx, &d_y, d_bias, add)?;
    }
    if let Some(h) = d_x.argument_of(gelu_along::NAME).cloned()
        && cuda::multiplies_along(cx, &d_y, &weight)?
    {
        d_x.add_multiplied(input_of_gelu(cx, &d_y, &weight, &h)?);
    } else if let Some((d_x, add)) = d_x.target(cx, shape)? {
        let _op = cx.op("linear d_x", || product(cx, &d_y, [outputs, inputs]).reads([&weight, &d_y]).writes(d_x, add));
        match cx.cuda() {
            Some(_) => cuda::input(cx, &d_y, &weight, d_x, add)?,
            None if cx.planning() => {}
            None => with_weight!(cx.dtype(), weight.dtype(), E, W => {
                let (d_y, weight) = (Matrix::new(d_y.as_slice::<E>(), rows, outputs), Matrix::new(weight.as_slice::<W>(), outputs, inputs));
                multiply_as(cx.precision(), d_y, weight, d_x.as_mut_slice::<E>(), inputs, add);
            }),
        }
    }
    Ok(())
}

/// (d_y W) gelu'(h), the gradient of h where x is gelu(h).
fn input_of_gelu(cx: &Context, d_y: &Tensor, weight: &Tensor, h: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = (weight.dim(0), weight.dim(1));
    let mut d_h = cx.empty(*h.shape())?;
    let _op = cx.op("linear d_x, gradient of gelu_tanh", || {
        let cost = product(cx, d_y, [outputs, inputs]).and_each(h, Slope::OPERATIONS);
        cost.reads([weight, d_y, h]).writes(&d_h, false)
    });
    match cx.cuda() {
        Some(_) => cuda::input_of_gelu(cx, d_y, weight, h, &mut d_h)?,
        None if cx.planning() => {}
        None => with_weight!(cx.dtype(), weight.dtype(), E, W => {
            let h = h.as_slice::<E>();
            let (d_y, weight) =
                (Matrix::new(d_y.as_slice::<E>(), d_y.shape().rows(), outputs), Matrix::new(weight.as_slice::<W>(), outputs, inputs));
            let finish = Finish { each: &|at, d_h, _| multiply_by_slope(d_h, &h[at..at + d_h.len()]), beside: None };
            multiply_then(cx.precision(), d_y, weight, Onto::Nothing, Some(finish), d_h.as_mut_slice::<E>(), inputs);
        }),
    }
    Ok(d_h)
}

/// Each of the three products, with one row for each of `x`.
pub(super) fn product(cx: &Context, x: &Tensor, [outputs, inputs]: [usize; 2]) -> Cost {
    Cost::product(cx.precision(), [x.shape().rows(), outputs, inputs])
}

/// (OUT, IN).
pub(super) fn check_shapes(at: &str, cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(usize, usize)> {
    check::float(at, cx, &[("x", x)])?;
    check::weight(at, cx, ("weight", weight))?;
    check::rank(at, ("x", x.shape()), 1)?;
    if weight.shape().rank() != 2 {
        return Err(Error::shape(at, format!("`weight` is {} where two dimensions, [OUT, IN], are expected", weight.shape())));
    }
    let (outputs, inputs) = (weight.dim(0), weight.dim(1));
    if x.shape().last() != inputs {
        let message =
            format!("`x` is {} but `weight` is {}: the last dimension of `x` must be {inputs}", x.shape(), weight.shape());
        return Err(Error::shape(at, message));
    }
    if let Some(bias) = bias {
        check::float(at, cx, &[("bias", bias)])?;
        check::shape(at, ("bias", bias.shape()), [outputs], ("weight", weight.shape()))?;
    }
    Ok((outputs, inputs))
}
