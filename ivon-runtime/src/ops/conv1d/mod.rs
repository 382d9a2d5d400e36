//! Convolution over sequences, channels last.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::ops::conv2d;
use crate::ops::shared::check;
use crate::ops::shared::window::{Axis, Window};
use crate::tensor::Tensor;

const AT: &str = "conv1d";

/// The operands, as an image of one row, and their shapes.
#[derive(Debug)]
pub struct Saved {
    image: conv2d::Saved,
    x: Shape,
    weight: Shape,
    y: Shape,
}

/// y\[b, t, o\] = bias\[o\] + sum over taps u and channels c of weight\[o, u, c\] · x\[b, t · stride + u · dilation - before, c\], with
/// zeros outside of the sequence. It is PyTorch's `conv1d`, with channels last and a padding of `before` and `after` places: with
/// `before` = dilation (kernel - 1) and `after` = 0 the convolution is causal.
///
/// `x` is \[B, T, C\], `weight` \[OUT, KERNEL, C / GROUPS\], `bias` \[OUT\]; `y` is \[B, T', OUT\] with
/// T' = floor((T + before + after - dilation (kernel - 1) - 1) / stride) + 1. Output channels of a group see the input channels of
/// that group.
///
/// # Errors
/// If the shapes do not fit, the groups do not divide the channels, or the kernel is larger than the padded sequence.
#[allow(clippy::too_many_arguments)] // the const generics of the signature come first
pub fn forward(
    cx: &Context,
    kernel: usize,
    stride: usize,
    before: usize,
    after: usize,
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    Ok(forward_saving(cx, kernel, stride, before, after, dilation, groups, x, weight, bias)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments)] // as above
pub fn forward_saving(
    cx: &Context,
    kernel: usize,
    stride: usize,
    before: usize,
    after: usize,
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    check::dimensions(AT, ("x", x.shape()), &["B", "T", "C"])?;
    check::dimensions(AT, ("weight", weight.shape()), &["OUT", "KERNEL", "C / GROUPS"])?;
    let columns = Axis { kernel, stride, padding: [before, after], dilation };
    columns.positions(AT, x.shape(), "length", x.dim(1))?;
    let window = Window { rows: Axis::PIXEL, columns };
    let row = |x: &Tensor| x.reshaped([x.dim(0), 1, x.dim(1), x.dim(2)]);
    let (y, image) = conv2d::convolve_saving(cx, AT, window, groups, &row(x), &row(weight), bias)?;
    let y = y.reshaped([y.dim(0), y.dim(2), y.dim(3)]);
    let saved = Saved { image, x: *x.shape(), weight: *weight.shape(), y: *y.shape() };
    Ok((y, saved))
}

/// With p the patch under each output place: `d_weight +=` the sum of `d_y pᵀ`, `d_bias +=` that of `d_y`, and `d_x` gets
/// `weightᵀ d_y` at the places that the patch was taken from.
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
    let Saved { image, x, weight, y } = saved;
    check::gradient(AT, cx, ("d_y", &d_y), y)?;
    conv2d::gradients(cx, image, d_y, [x, weight], d_x, d_weight, d_bias)
}
