//! Repeating along an axis, on a card.

use crate::device::cuda::{Grid, Source};
use crate::{Context, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("along", include_str!("kernel.cu"));

/// d_x = scale · d_y, repeated along the axis, or += it.
pub(super) fn repeat(
    cx: &Context,
    d_y: &Tensor,
    d_x: &mut Tensor,
    (axis, inner): (usize, usize),
    scale: f64,
    add: bool,
) -> Result<()> {
    let elements = d_x.shape().elements();
    let (axis, inner) = (axis.max(1), inner.max(1));
    KERNELS.launch(
        cx,
        "repeat",
        Grid::over(elements).at_most(4096),
        &mut args![d_y, d_x, elements, axis, inner, scale as f32, add],
    )
}
