//! Transposed convolution over images, channels last: the gradient of a convolution with respect to its input, as a forward pass.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::conv2d::{self, Geometry};
use crate::ops::shared::axes::Axes;
use crate::ops::shared::window::Window;
use crate::ops::shared::{along, check, reduce};
use crate::tensor::Tensor;

const AT: &str = "conv_transpose2d";

/// The operands.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    weight: Tensor,
    /// The convolution from `y` to `x`.
    geometry: Geometry,
}

/// y\[b, i · stride + u · dilation - padding, j · stride + v · dilation - padding, o\] += x\[b, i, j, c\] · weight\[c, u, v, o\] for all
/// pixels, taps and channels, from `bias`\[o\] on, as PyTorch's `conv_transpose2d`. `output_padding` rows and columns more, at the
/// bottom and to the right, choose among the sizes whose convolution has the size of `x`.
///
/// `x` is \[B, H, W, C\], `weight` \[C, KERNEL, KERNEL, OUT / GROUPS\], `bias` \[OUT\]; `y` is \[B, H', W', OUT\] with
/// H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. Input channels of a group reach the output channels of
/// that group.
///
/// # Errors
/// If the shapes do not fit, the groups do not divide the channels, `output_padding` is not below `stride`, or nothing of `y` is left
/// inside of the padding.
#[allow(clippy::too_many_arguments)] // the const generics of the signature come first
pub fn forward(
    cx: &Context,
    kernel: usize,
    stride: usize,
    padding: usize,
    output_padding: usize,
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    Ok(forward_saving(cx, kernel, stride, padding, output_padding, dilation, groups, x, weight, bias)?.0)
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
    padding: usize,
    output_padding: usize,
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    check::dimensions(AT, ("x", x.shape()), &["B", "H", "W", "C"])?;
    check::float(AT, cx, &[("x", x)])?;
    check::dimensions(AT, ("weight", weight.shape()), &["C", "KERNEL", "KERNEL", "OUT / GROUPS"])?;
    let window = Window::square(kernel, stride, padding, dilation);
    let outputs = groups * weight.dim(3);
    let y_shape = y_shape(window, output_padding, x.shape(), outputs)?;
    let expected = [x.dim(3), kernel, kernel, weight.dim(3)];
    check::shape(AT, ("weight", weight.shape()), expected, ("x", x.shape()))?;
    let mut y = cx.empty(y_shape)?;
    let geometry = Geometry::of(cx, AT, window, groups, &y, weight, None)?;
    conv2d::input_gradient(cx, &geometry, weight, x, &mut y, false)?;
    if let Some(bias) = bias {
        check::float(AT, cx, &[("bias", bias)])?;
        check::shape(AT, ("bias", bias.shape()), [outputs], ("weight", weight.shape()))?;
        along::repeat_along(cx, bias, Axes::broadcast(bias.shape(), &y_shape), &mut y, 1.0, true)?;
    }
    Ok((y, Saved { x: x.clone(), weight: weight.clone(), geometry }))
}

/// `d_x +=` the convolution of `d_y` with the weights, `d_weight +=` the sum over pixels of `x` times the patch of `d_y` that they
/// reach, and `d_bias +=` the sum of `d_y`.
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
    let Saved { x, weight, geometry } = saved;
    check::gradient(AT, cx, ("d_y", &d_y), geometry.x_shape())?;
    if let Some((d_weight, add)) = d_weight.target(cx, *weight.shape())? {
        conv2d::weight_gradient(cx, &geometry, &d_y, &x, d_weight, add)?;
    }
    if let Some((d_bias, add)) = d_bias.target(cx, [geometry.inputs])? {
        reduce::sum_rows(cx, &d_y, d_bias, add)?;
    }
    if d_x.wanted() {
        d_x.add(cx, conv2d::convolve(cx, &geometry, &d_y, &weight, None)?)?;
    }
    Ok(())
}

/// The images whose convolution with the window makes images like `x`.
fn y_shape(window: Window, output_padding: usize, x: &Shape, outputs: usize) -> Result<Shape> {
    let axis = window.rows;
    axis.check(AT)?;
    if output_padding >= axis.stride {
        let message = format!("OUTPUT_PADDING is {output_padding} where a number below the STRIDE, {}, is expected", axis.stride);
        return Err(Error::value(AT, message));
    }
    let size = |name: &str, size: usize| {
        let last = size.checked_sub(1).and_then(|last| last.checked_mul(axis.stride));
        let end = last.and_then(|last| last.checked_add(axis.reach())?.checked_add(output_padding));
        let inside = end.and_then(|end| end.checked_sub(axis.padding[0].checked_mul(2)?));
        inside.filter(|size| *size > 0).ok_or_else(|| {
            let message = format!("`x` is {x}: its {name} of {size} reaches no pixel inside of a padding of {}", axis.padding[0]);
            Error::shape(AT, message)
        })
    };
    Ok(Shape::new(&[x[0], size("height", x[1])?, size("width", x[2])?, outputs]))
}
