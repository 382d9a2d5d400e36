//! Convolution over images with a rectangular window and a padding that differs from side to side.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::ops::conv2d;
pub use crate::ops::conv2d::Saved;
use crate::ops::shared::window::{Axis, Window};
use crate::tensor::Tensor;

const AT: &str = "conv2d_rectangular";

/// [`conv2d::forward`] with two numbers in place of one: `high` and `wide` taps, strides and dilations of rows and columns, and zeros
/// on each of the four sides.
///
/// `x` is \[B, H, W, C\], `weight` \[OUT, HIGH, WIDE, C / GROUPS\], `bias` \[OUT\]; `y` is \[B, H', W', OUT\] with
/// H' = floor((H + top + bottom - row_dilation (high - 1) - 1) / row_stride) + 1, and W' likewise.
///
/// # Errors
/// If the shapes do not fit, the groups do not divide the channels, or the kernel is larger than the padded image.
#[allow(clippy::too_many_arguments)] // the const generics of the signature come first
pub fn forward(
    cx: &Context,
    high: usize,
    wide: usize,
    row_stride: usize,
    column_stride: usize,
    top: usize,
    bottom: usize,
    left: usize,
    right: usize,
    row_dilation: usize,
    column_dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    Ok(forward_saving(
        cx,
        high,
        wide,
        row_stride,
        column_stride,
        top,
        bottom,
        left,
        right,
        row_dilation,
        column_dilation,
        groups,
        x,
        weight,
        bias,
    )?
    .0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments)] // as above
pub fn forward_saving(
    cx: &Context,
    high: usize,
    wide: usize,
    row_stride: usize,
    column_stride: usize,
    top: usize,
    bottom: usize,
    left: usize,
    right: usize,
    row_dilation: usize,
    column_dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    let rows = Axis { kernel: high, stride: row_stride, padding: [top, bottom], dilation: row_dilation };
    let columns = Axis { kernel: wide, stride: column_stride, padding: [left, right], dilation: column_dilation };
    conv2d::convolve_saving(cx, AT, Window { rows, columns }, groups, x, weight, bias)
}

/// As [`conv2d::backward`].
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
    conv2d::backward_of(AT, cx, saved, d_y, d_x, d_weight, d_bias)
}
