//! The place of the smallest number along an axis.

use crate::context::Context;
use crate::core::error::Result;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::extreme;
use crate::ops::shared::extreme::Extreme;
use crate::tensor::Tensor;

/// The place of the first smallest number along an axis, or in the whole tensor (`None`), as ids; a NaN counts as the smallest. PyTorch's `argmin`. It has no
/// gradient.
///
/// # Errors
/// If `x` lacks the axis, or there is nothing along it.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    extreme::place("argmin", Extreme::Smallest, cx, x, axes.into())
}
