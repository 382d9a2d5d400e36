//! Convolution on a GPU: a product of matrices where every pixel sees itself alone (unless cuDNN is to do that too), else by cuDNN, else by kernels of our own.

use super::Geometry;
use crate::context::Context;
use crate::context::cuda::{Along, Arg, Operand, convolution, multiply};
use crate::context::elementwise;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::blas::Sizes;
use crate::device::cuda::dnn::Way;
use crate::device::cuda::{Convolution, Grid, Product, Source};
use crate::ops::linear;
use crate::ops::shared::reduce;
use crate::ops::shared::window::Window;
use crate::tensor::Tensor;
use std::rc::Rc;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("conv2d", include_str!("kernel.cu")) };

/// Rows and columns that a block makes.
const TILE: usize = 64;
/// Blocks that the gradient of the weights is spread over.
const BLOCKS: usize = 1024;

/// A geometry as kernels take it, behind these arguments.
fn arguments<'a>(before: impl IntoIterator<Item = Arg<'a>>, g: &Geometry) -> Vec<Arg<'a>> {
    let s = &g.sliding;
    let sizes = [s.height, s.width, s.out_height, s.out_width, g.inputs, g.outputs, g.groups];
    let numbers = s.window.numbers().into_iter().chain(sizes).map(|n| Arg::from(n as u32));
    before.into_iter().chain(numbers).chain([Arg::from(s.batch)]).collect()
}

/// How cuDNN computes one of the three products, if it does. Its engines pad both sides alike.
pub(super) fn way(cx: &Context, g: &Geometry, product: Product) -> Result<Option<Rc<Way>>> {
    let (s, Window { rows, columns }) = (&g.sliding, g.sliding.window);
    if [rows, columns].iter().any(|axis| axis.padding[0] != axis.padding[1]) {
        return Ok(None);
    }
    let described = Convolution {
        product,
        x: [s.batch, s.height, s.width, g.inputs],
        weight: [g.outputs, rows.kernel, columns.kernel, g.group_inputs()],
        y: [s.batch, s.out_height, s.out_width, g.outputs],
        stride: [rows.stride, columns.stride],
        padding: [rows.padding[0], columns.padding[0]],
        dilation: [rows.dilation, columns.dilation],
        dtype: cx.dtype(),
    };
    convolution(cx, described, is_product(g))
}

/// True if x \[pixels, IN\], weight \[OUT, IN\] and y \[pixels, OUT\] are the matrices of a product as they lie.
fn is_product(g: &Geometry) -> bool {
    g.is_product() && g.groups == 1
}

pub(super) fn forward(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    if let Some(way) = way(cx, g, Product::Forward)? {
        way.run(cx, [x, weight], y)?;
        return bias.map_or(Ok(()), |bias| elementwise::cuda::add_bias(cx, bias, y));
    }
    if is_product(g) {
        let sizes = Sizes { batch: 1, m: g.pixels(), n: g.outputs, k: g.inputs };
        return linear::cuda::product_and_bias(cx, sizes, Operand::new(x), Operand::transposed(weight), bias, y);
    }
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
    if let Some(way) = way(cx, g, Product::Weight)? {
        return write_or_add(cx, d_weight, add, |to| way.run(cx, [x, d_y], to));
    }
    if is_product(g) {
        let sizes = Sizes { batch: 1, m: g.outputs, n: g.inputs, k: g.pixels() };
        return multiply(cx, sizes, Operand::transposed(d_y), Operand::new(x), Along::Nothing, d_weight, add);
    }
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
    if let Some(way) = way(cx, g, Product::Input)? {
        return write_or_add(cx, d_x, add, |to| way.run(cx, [weight, d_y], to));
    }
    if is_product(g) {
        let sizes = Sizes { batch: 1, m: g.pixels(), n: g.inputs, k: g.outputs };
        return multiply(cx, sizes, Operand::new(d_y), Operand::new(weight), Along::Nothing, d_x, add);
    }
    let pixels = g.sliding.batch * g.sliding.height * g.sliding.width;
    let grid = Grid::of(pixels.div_ceil(TILE), g.group_inputs().div_ceil(TILE), g.groups);
    KERNELS.launch(cx, "conv_input", grid, &mut arguments([weight.into(), d_y.into(), d_x.into(), add.into()], g))
}

/// Lets `write` write a tensor, or adds what it writes to what is there: cuDNN's fastest engines only write.
fn write_or_add(cx: &Context, to: &mut Tensor, add: bool, write: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
    if !add {
        return write(to);
    }
    let mut more = cx.empty_of(to.dtype(), *to.shape())?;
    write(&mut more)?;
    elementwise::add_assign(cx, to, &more)
}
