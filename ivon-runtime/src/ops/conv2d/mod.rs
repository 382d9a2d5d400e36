//! Convolution over images, channels last.

pub(super) mod cuda;
pub(crate) mod depthwise;
#[cfg(target_arch = "x86_64")]
mod fast;
mod plain;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Context, Weighted};
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cuda::Product;
use crate::ops::shared::window::{Axis, Sliding, Window};
use crate::ops::shared::{check, reduce, with_real, with_weight};
use crate::tensor::Tensor;

const AT: &str = "conv2d";

/// The operands. `conv1d` and `conv2d_rectangular` save the same.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
}

/// The positions of the window and the numbers of channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub sliding: Sliding,
    /// Channels of `x`.
    pub inputs: usize,
    /// Channels of `y`.
    pub outputs: usize,
    pub groups: usize,
}

impl Geometry {
    /// Channels of `x` that an output channel sees.
    pub(crate) fn group_inputs(&self) -> usize {
        self.inputs / self.groups
    }

    /// Channels of `y` in a group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Weights of an output channel: a row of the weight matrix, (tap, input channel).
    pub(crate) fn patch(&self) -> usize {
        self.sliding.taps() * self.group_inputs()
    }

    /// Pixels of `y`.
    pub(crate) fn pixels(&self) -> usize {
        self.sliding.batch * self.sliding.positions()
    }

    /// True if every output pixel sees its own input pixel alone, so that `x` is the matrix of patches.
    pub(crate) fn is_product(&self) -> bool {
        let is_pixel = |axis: Axis| (axis.kernel, axis.stride, axis.padding) == (1, 1, [0, 0]);
        is_pixel(self.sliding.window.rows) && is_pixel(self.sliding.window.columns)
    }

    /// Returns the cost of each of the three products of patches and weights, including the zeros outside of the image.
    fn cost(&self, cx: &Context) -> Cost {
        Cost::product(cx.precision(), [self.pixels(), self.outputs, self.patch()])
    }

    pub(crate) fn x_shape(&self) -> Shape {
        Shape::new(&[self.sliding.batch, self.sliding.height, self.sliding.width, self.inputs])
    }

    fn y_shape(&self) -> Shape {
        self.sliding.y_shape(self.outputs)
    }

    /// The window over `x`, with its operands checked.
    ///
    /// # Errors
    /// As [`forward`].
    pub(crate) fn of(
        cx: &Context,
        at: &str,
        window: Window,
        groups: usize,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Geometry> {
        check::float(at, cx, &[("x", x)])?;
        check::weight(at, cx, ("weight", weight))?;
        let sliding = window.over(at, x.shape())?;
        if groups == 0 {
            return Err(Error::value(at, "GROUPS is 0 where at least 1 is expected"));
        }
        let (inputs, kernel) = (x.shape().last(), [window.rows.kernel, window.columns.kernel]);
        let &[outputs, high, wide, of_group] = &weight.shape()[..] else {
            let message = format!("`weight` is {} where [OUT, HIGH, WIDE, C / GROUPS] is expected", weight.shape());
            return Err(Error::shape(at, message));
        };
        if [high, wide] != kernel {
            let message = format!("`weight` is {} where [OUT, {}, {}, ..] is expected", weight.shape(), kernel[0], kernel[1]);
            return Err(Error::shape(at, message));
        }
        if !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            let message = format!("{groups} groups do not divide the {inputs} channels of `x` and the {outputs} of the output");
            return Err(Error::shape(at, message));
        }
        if of_group != inputs / groups {
            let message = format!(
                "`x` is {} but `weight` is {}: its last dimension must be {}, the channels of `x` in each of {groups} groups",
                x.shape(),
                weight.shape(),
                inputs / groups
            );
            return Err(Error::shape(at, message));
        }
        if let Some(bias) = bias {
            check::float(at, cx, &[("bias", bias)])?;
            check::shape(at, ("bias", bias.shape()), [outputs], ("weight", weight.shape()))?;
        }
        Ok(Geometry { sliding, inputs, outputs, groups })
    }
}

/// y\[b, i, j, o\] = bias\[o\] + sum over taps (u, v) and channels c of weight\[o, u, v, c\] ·
/// x\[b, i · stride + u · dilation - padding, j · stride + v · dilation - padding, c\], with zeros outside of the image, as PyTorch's `conv2d`.
///
/// `x` is \[B, H, W, C\], `weight` \[OUT, KERNEL, KERNEL, C / GROUPS\], `bias` \[OUT\]; `y` is \[B, H', W', OUT\] with
/// H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Output channels of a group see the input channels of that group.
///
/// # Errors
/// If the shapes do not fit, the groups do not divide the channels, or the kernel is larger than the padded image.
#[allow(clippy::too_many_arguments)] // the const generics of the signature come first
pub fn forward(
    cx: &Context,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let geometry = Geometry::of(cx, AT, Window::square(kernel, stride, padding, dilation), groups, x, weight, bias)?;
    convolve(cx, &geometry, x, weight, bias)
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
    dilation: usize,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    convolve_saving(cx, AT, Window::square(kernel, stride, padding, dilation), groups, x, weight, bias)
}

/// With p the patch under each output pixel: `d_weight +=` the sum of `d_y pᵀ`, `d_bias +=` that of `d_y`, and `d_x` gets
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
    backward_of(AT, cx, saved, d_y, d_x, d_weight, d_bias)
}

/// [`backward`] of the op `at`.
pub(crate) fn backward_of(
    at: &str,
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_x: &mut Adjoint,
    d_weight: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    check::gradient(at, cx, ("d_y", &d_y), saved.geometry.y_shape())?;
    let shapes = [*saved.x.shape(), *saved.weight.shape()];
    gradients(cx, saved, d_y, shapes, d_x, d_weight, d_bias)
}

/// The convolution, and what [`gradients`] reads.
pub(crate) fn convolve_saving(
    cx: &Context,
    at: &str,
    window: Window,
    groups: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    let geometry = Geometry::of(cx, at, window, groups, x, weight, bias)?;
    let y = convolve(cx, &geometry, x, weight, bias)?;
    Ok((y, Saved { x: x.clone(), weight: weight.clone(), geometry }))
}

/// The three gradients, with adjoints of `x` and `weight` in these shapes.
pub(crate) fn gradients(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    [x_shape, weight_shape]: [Shape; 2],
    d_x: &mut Adjoint,
    d_weight: &mut Adjoint,
    d_bias: &mut Adjoint,
) -> Result<()> {
    let Saved { x, weight, geometry } = saved;
    if let Some((d_weight, add)) = d_weight.target(cx, weight_shape)? {
        weight_gradient(cx, &geometry, &x, &d_y, d_weight, add)?;
    }
    drop(x);
    if let Some((d_bias, add)) = d_bias.target(cx, [geometry.outputs])? {
        reduce::sum_rows(cx, &d_y, d_bias, add)?;
    }
    if let Some((d_x, add)) = d_x.target(cx, x_shape)? {
        input_gradient(cx, &geometry, &weight, &d_y, d_x, add)?;
    }
    Ok(())
}

/// y = bias + patches · weightᵀ, in the shape of the geometry.
pub(crate) fn convolve(cx: &Context, g: &Geometry, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut y = cx.empty(g.y_shape())?;
    if depthwise::applies(cx, g, Product::Forward)? {
        let mut transposed = depthwise::workspace(cx, g)?;
        let computation = depthwise::Forward { geometry: g, x, weight, bias, y: &mut y, transposed: &mut transposed };
        cx.run("conv2d", Weighted(computation))?;
        return Ok(y);
    }
    let _op = cx.op("conv2d", || g.cost(cx).reads([x, weight]).writes(&y, false));
    if cx.cuda().is_some() {
        cuda::forward(cx, g, x, weight, bias, &mut y)?;
        return Ok(y);
    }
    #[cfg(target_arch = "x86_64")]
    if fast::applies(cx, g) {
        fast::forward(cx, g, x, weight, bias, &mut y)?;
        return Ok(y);
    }
    let mut patches = plain::workspace(cx, g)?;
    if !cx.planning() {
        with_weight!(cx.dtype(), weight.dtype(), E, W => {
            let weights = (weight.as_slice::<W>(), bias.map(|b| b.as_slice::<E>()));
            plain::forward((cx.precision(), g), x.as_slice(), weights, y.as_mut_slice(), patches.as_mut_slice());
        });
    }
    Ok(y)
}

/// d_weight (+)= d_yᵀ · patches
pub(crate) fn weight_gradient(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    d_y: &Tensor,
    d_weight: &mut Tensor,
    add: bool,
) -> Result<()> {
    if depthwise::applies(cx, g, Product::Weight)? {
        let mut partial = depthwise::partial_sums(cx, g)?;
        let computation = depthwise::WeightGradient { geometry: g, x, d_y, d_weight, add, partial: &mut partial };
        return cx.run("conv2d d_weight", computation);
    }
    let _op = cx.op("conv2d d_weight", || g.cost(cx).reads([x, d_y]).writes(d_weight, add));
    if cx.cuda().is_some() {
        return cuda::weight_gradient(cx, g, x, d_y, d_weight, add);
    }
    #[cfg(target_arch = "x86_64")]
    if fast::applies(cx, g) {
        return fast::weight_gradient(cx, g, x, d_y, d_weight, add);
    }
    let mut patches = plain::workspace(cx, g)?;
    if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let operands = (x.as_slice::<E>(), d_y.as_slice());
            plain::weight_gradient((cx.precision(), g), operands, d_weight.as_mut_slice(), add, patches.as_mut_slice());
        });
    }
    Ok(())
}

/// d_x (+)= d_y · weight, at the places that the patches are taken from.
pub(crate) fn input_gradient(
    cx: &Context,
    g: &Geometry,
    weight: &Tensor,
    d_y: &Tensor,
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    if depthwise::applies(cx, g, Product::Input)? {
        let mut transposed = depthwise::workspace(cx, g)?;
        let computation = depthwise::InputGradient { geometry: g, weight, d_y, d_x, add, transposed: &mut transposed };
        return cx.run("conv2d d_x", Weighted(computation));
    }
    let _op = cx.op("conv2d d_x", || g.cost(cx).reads([weight, d_y]).writes(d_x, add));
    if cx.cuda().is_some() {
        return cuda::input_gradient(cx, g, weight, d_y, d_x, add);
    }
    #[cfg(target_arch = "x86_64")]
    if fast::applies(cx, g) {
        return fast::input_gradient(cx, g, weight, d_y, d_x, add);
    }
    let mut patches = plain::workspace(cx, g)?;
    if !cx.planning() {
        with_weight!(cx.dtype(), weight.dtype(), E, W => {
            let operands = (weight.as_slice::<W>(), d_y.as_slice::<E>());
            plain::input_gradient((cx.precision(), g), operands, d_x.as_mut_slice(), add, patches.as_mut_slice());
        });
    }
    Ok(())
}
