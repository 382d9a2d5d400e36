//! Repeating along an axis, on a GPU.

use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("along", include_str!("kernel.cu")) };

/// Threads go on to further pieces beyond so many blocks: enough to fill any GPU.
const BLOCKS: usize = 4096;

/// d_x = scale · d_y, repeated along the axis, or += it.
pub(crate) fn repeat(
    cx: &Context,
    d_y: &Tensor,
    d_x: &mut Tensor,
    (axis, inner): (usize, usize),
    scale: f64,
    add: bool,
) -> Result<()> {
    let (elements, axis, inner) = (d_x.shape().elements(), axis.max(1), inner.max(1));
    let piece = 16 / cx.dtype().bytes();
    let wide = inner.is_multiple_of(piece);
    let piece = if wide { piece } else { 1 };
    let (pieces, inner, scale) = (elements / piece, inner / piece, scale as f32);
    let grid = Grid::over(pieces).at_most(BLOCKS);
    KERNELS.launch(cx, "repeat", grid, &mut args![d_y, d_x, pieces, axis, inner, scale, add, wide])
}
