//! Convolution on a card, by kernels of our own.

use super::Geometry;
use crate::device::cuda::{Arg, Grid, Source};
use crate::ops::reduce;
use crate::{Context, DType, Result, Tensor};

pub(in crate::ops) static KERNELS: Source = Source::new("conv2d", include_str!("kernel.cu"));

/// Rows and columns that a block makes.
const TILE: usize = 64;
/// Blocks that the gradient of the weights is spread over.
const BLOCKS: usize = 1024;

/// A geometry as kernels take it, behind these arguments.
fn arguments<'a>(before: impl IntoIterator<Item = Arg<'a>>, g: &Geometry) -> Vec<Arg<'a>> {
    let (s, w) = (&g.sliding, g.sliding.window);
    let numbers =
        [w.kernel, w.stride, w.padding, w.dilation, s.height, s.width, s.out_height, s.out_width, g.inputs, g.outputs, g.groups];
    let numbers = numbers.into_iter().map(|n| Arg::from(n as u32));
    before.into_iter().chain(numbers).chain([Arg::from(s.batch)]).collect()
}

pub(super) fn forward(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let grid = Grid::of(g.pixels().div_ceil(TILE), g.group_outputs().div_ceil(TILE), g.groups);
    KERNELS.launch(cx, "conv_forward", grid, &mut arguments([x.into(), weight.into(), bias.into(), y.into()], g))
}

pub(super) fn weight_gradient(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    d_y: &Tensor,
    d_weight: &mut Tensor,
    add: bool,
) -> Result<()> {
    let (rows, columns) = (g.group_outputs().div_ceil(TILE), g.patch().div_ceil(TILE));
    let wanted = BLOCKS.div_ceil((rows * columns * g.groups).max(1));
    // No less than 256 pixels a part.
    let part = g.pixels().div_ceil(wanted).max(256);
    let parts = g.pixels().div_ceil(part).max(1);
    let size = g.outputs * g.patch();
    let mut partial = cx.empty_of(DType::F32, [parts, size])?;
    let grid = Grid::of(rows, columns, g.groups * parts);
    KERNELS.launch(cx, "conv_weight", grid, &mut arguments([x.into(), d_y.into(), (&mut partial).into(), part.into()], g))?;
    reduce::cuda::sum_partials(cx, &partial, d_weight, [1, parts, size], 1.0, add)
}

pub(super) fn input_gradient(
    cx: &Context,
    g: &Geometry,
    weight: &Tensor,
    d_y: &Tensor,
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    let pixels = g.sliding.batch * g.sliding.height * g.sliding.width;
    let grid = Grid::of(pixels.div_ceil(TILE), g.group_inputs().div_ceil(TILE), g.groups);
    KERNELS.launch(cx, "conv_input", grid, &mut arguments([weight.into(), d_y.into(), d_x.into(), add.into()], g))
}
