//! Depthwise convolution on a GPU.

use super::Geometry;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::reduce;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("depthwise", include_str!("kernel.cu")) };

/// Channels of a block of `depthwise_weight`, and pixels that it reads at a time.
const ACROSS: usize = 32;
const DOWN: usize = 8;
/// Blocks that the gradient of the weights is spread over.
const BLOCKS: usize = 2048;

/// A geometry as kernels take it, behind these arguments.
fn arguments<'a>(before: impl IntoIterator<Item = Arg<'a>>, g: &Geometry) -> Vec<Arg<'a>> {
    let s = &g.sliding;
    let sizes = [s.height, s.width, s.out_height, s.out_width, g.outputs];
    let numbers = s.window.numbers().into_iter().chain(sizes).map(|n| Arg::from(n as u32));
    before.into_iter().chain(numbers).chain([Arg::from(s.batch)]).collect()
}

/// A thread for each 16 bytes of `elements`, or for each element where channels are not of whole pieces.
fn pieces(cx: &Context, g: &Geometry, elements: usize) -> (Grid, bool) {
    let piece = 16 / cx.dtype().bytes();
    let wide = g.outputs.is_multiple_of(piece);
    (Grid::over(if wide { elements / piece } else { elements }), wide)
}

pub(super) fn forward(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let (grid, wide) = pieces(cx, g, y.shape().elements());
    KERNELS.launch(
        cx,
        "depthwise_forward",
        grid,
        &mut arguments([x.into(), weight.into(), bias.into(), y.into(), wide.into()], g),
    )
}

pub(super) fn input_gradient(
    cx: &Context,
    g: &Geometry,
    weight: &Tensor,
    d_y: &Tensor,
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    let (grid, wide) = pieces(cx, g, d_x.shape().elements());
    let before = [weight.into(), d_y.into(), d_x.into(), add.into(), wide.into()];
    KERNELS.launch(cx, "depthwise_input", grid, &mut arguments(before, g))
}

pub(super) fn weight_gradient(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    d_y: &Tensor,
    d_weight: &mut Tensor,
    add: bool,
) -> Result<()> {
    let (strips, taps) = (g.outputs.div_ceil(ACROSS), g.sliding.taps());
    let part = g.pixels().div_ceil(BLOCKS.div_ceil((strips * taps).max(1))).max(16 * DOWN);
    let parts = g.pixels().div_ceil(part).max(1);
    let mut partial = cx.empty_of(DType::F32, [parts, g.outputs * taps])?;
    let grid = Grid::of(strips, taps, parts).threads_2d(ACROSS, DOWN);
    let before = [x.into(), d_y.into(), (&mut partial).into(), part.into()];
    KERNELS.launch(cx, "depthwise_weight", grid, &mut arguments(before, g))?;
    reduce::cuda::sum_partials(cx, &partial, d_weight, [1, parts, g.outputs * taps], 1.0, add)
}
