//! Norms per image and channel on a GPU.

use super::Images;
use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("channels", include_str!("kernel.cu")) };

/// Threads a block.
const BLOCK: usize = 256;

/// The number of images, of places and of channels.
fn sizes(x: &Tensor) -> [usize; 3] {
    let Images { images, channels, elements } = Images::of(x.shape());
    [images, elements / channels.max(1), channels]
}

/// True if threads work on 16 bytes of so many neighbouring channels, and how many pieces these are.
fn pieces(cx: &Context, channels: usize) -> (bool, usize) {
    let piece = 16 / cx.dtype().bytes();
    let wide = channels.is_multiple_of(piece);
    (wide, channels / if wide { piece } else { 1 })
}

/// Blocks of up to 32 pieces of channels by some places of each image, and whether pieces are of 16 bytes.
fn by_channel(cx: &Context, images: usize, channels: usize) -> (Grid, bool) {
    let (wide, pieces) = pieces(cx, channels);
    let across = pieces.max(1).next_power_of_two().min(32);
    (Grid::of(pieces.div_ceil(across), 1, images).threads_2d(across, BLOCK / across), wide)
}

/// A block for each group of each image; how many of its threads stand side by side, and whether pieces are of 16 bytes.
fn by_group(cx: &Context, images: usize, groups: usize, each: usize) -> (Grid, usize, bool) {
    let (wide, pieces) = pieces(cx, each);
    (Grid::of(groups, images, 1), pieces.max(1).next_power_of_two().min(BLOCK), wide)
}

pub(crate) fn sum_images(cx: &Context, sums: &Tensor, part: usize, d: &mut Tensor, add: bool) -> Result<()> {
    let [images, parts, channels] = [sums.dim(0), sums.dim(1), sums.dim(2)];
    KERNELS.launch(cx, "sum_images", Grid::over(channels), &mut args![sums, d, images, parts, part, channels, add])
}

/// `statistics` is \[B, 2, C\], f32.
pub(crate) fn group_forward(
    cx: &Context,
    groups: usize,
    [x, gain, bias]: [&Tensor; 3],
    (y, statistics): (&mut Tensor, &mut Tensor),
    eps: f64,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let each = channels / groups;
    let (grid, across, wide) = by_group(cx, images, groups, each);
    let args = &mut args![x, gain, bias, y, statistics, places, channels, each, across as u32, eps as f32, wide];
    KERNELS.launch(cx, "group_forward", grid, args)
}

/// `sums` is \[B, 2, C\], f32.
pub(crate) fn group_sums(cx: &Context, [x, d_y, statistics]: [&Tensor; 3], sums: &mut Tensor) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let (grid, wide) = by_channel(cx, images, channels);
    KERNELS.launch(cx, "group_sums", grid, &mut args![x, d_y, statistics, sums, places, channels, wide])
}

pub(crate) fn group_input(
    cx: &Context,
    groups: usize,
    [x, d_y, statistics, sums, gain]: [&Tensor; 5],
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let each = channels / groups;
    let (grid, across, wide) = by_group(cx, images, groups, each);
    let args = &mut args![x, d_y, statistics, sums, gain, d_x, places, channels, each, across as u32, add, wide];
    KERNELS.launch(cx, "group_input", grid, args)
}

/// `r` is \[B, C\], f32.
pub(crate) fn response_forward(
    cx: &Context,
    [x, gain, bias]: [&Tensor; 3],
    threshold: Option<&Tensor>,
    (y, r): (&mut Tensor, &mut Tensor),
    eps: f64,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let (grid, wide) = by_channel(cx, images, channels);
    let args = &mut args![x, gain, bias, threshold, y, r, places, channels, eps as f32, wide];
    KERNELS.launch(cx, "response_forward", grid, args)
}

/// `sums` is \[B, 3, C\], f32.
pub(crate) fn response_backward(
    cx: &Context,
    [x, d_y, r, gain, bias]: [&Tensor; 5],
    threshold: Option<&Tensor>,
    sums: &mut Tensor,
    d_x: Option<(&mut Tensor, bool)>,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let add = d_x.as_ref().is_some_and(|(_, add)| *add);
    let d_x = Arg::from(d_x.map(|(d_x, _)| d_x));
    let (grid, wide) = by_channel(cx, images, channels);
    let args = &mut args![x, d_y, r, gain, bias, threshold, sums, d_x, places, channels, add, wide];
    KERNELS.launch(cx, "response_backward", grid, args)
}
