//! Norms per picture and channel on a card.

use super::Images;
use crate::device::cuda::{Arg, Grid, Source};
use crate::{Context, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("channels", include_str!("kernel.cu"));

/// The number of pictures, of places and of channels.
fn sizes(x: &Tensor) -> [usize; 3] {
    let Images { images, channels, elements } = Images::of(x.shape());
    [images, elements / channels.max(1), channels]
}

/// Blocks of 32 channels by 8 places of each picture.
fn by_channel(images: usize, channels: usize) -> Grid {
    Grid::of(channels.div_ceil(32), images, 1).threads_2d(32, 8)
}

pub(super) fn sum_images(cx: &Context, sums: &Tensor, part: usize, d: &mut Tensor, add: bool) -> Result<()> {
    let [images, parts, channels] = [sums.dim(0), sums.dim(1), sums.dim(2)];
    KERNELS.launch(cx, "sum_images", Grid::over(channels), &mut args![sums, d, images, parts, part, channels, add])
}

/// `statistics` is \[B, 2, C\], f32.
pub(in crate::ops) fn group_forward(
    cx: &Context,
    groups: usize,
    [x, gain, bias]: [&Tensor; 3],
    (y, statistics): (&mut Tensor, &mut Tensor),
    eps: f64,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let args = &mut args![x, gain, bias, y, statistics, places, channels, channels / groups, eps as f32];
    KERNELS.launch(cx, "group_forward", Grid::of(groups, images, 1), args)
}

/// `sums` is \[B, 2, C\], f32.
pub(in crate::ops) fn group_sums(cx: &Context, [x, d_y, statistics]: [&Tensor; 3], sums: &mut Tensor) -> Result<()> {
    let [images, places, channels] = sizes(x);
    KERNELS.launch(cx, "group_sums", by_channel(images, channels), &mut args![x, d_y, statistics, sums, places, channels])
}

pub(in crate::ops) fn group_input(
    cx: &Context,
    groups: usize,
    [x, d_y, statistics, sums, gain]: [&Tensor; 5],
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let args = &mut args![x, d_y, statistics, sums, gain, d_x, places, channels, channels / groups, add];
    KERNELS.launch(cx, "group_input", Grid::of(groups, images, 1), args)
}

/// `r` is \[B, C\], f32.
pub(in crate::ops) fn response_forward(
    cx: &Context,
    [x, gain, bias]: [&Tensor; 3],
    threshold: Option<&Tensor>,
    (y, r): (&mut Tensor, &mut Tensor),
    eps: f64,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let args = &mut args![x, gain, bias, threshold, y, r, places, channels, eps as f32];
    KERNELS.launch(cx, "response_forward", by_channel(images, channels), args)
}

/// `sums` is \[B, 3, C\], f32.
pub(in crate::ops) fn response_backward(
    cx: &Context,
    [x, d_y, r, gain, bias]: [&Tensor; 5],
    threshold: Option<&Tensor>,
    sums: &mut Tensor,
    d_x: Option<(&mut Tensor, bool)>,
) -> Result<()> {
    let [images, places, channels] = sizes(x);
    let add = d_x.as_ref().is_some_and(|(_, add)| *add);
    let d_x = Arg::from(d_x.map(|(d_x, _)| d_x));
    let args = &mut args![x, d_y, r, gain, bias, threshold, sums, d_x, places, channels, add];
    KERNELS.launch(cx, "response_backward", by_channel(images, channels), args)
}
