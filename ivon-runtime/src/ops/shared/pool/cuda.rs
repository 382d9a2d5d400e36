//! Pooling on a GPU.

use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::window::Sliding;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("pool", include_str!("kernel.cu")) };

/// Launches a kernel with a thread for each 16 bytes of `elements`, or for each one where channels are not of whole pieces: these arguments, then the
/// geometry.
fn launch(cx: &Context, kernel: &str, before: Vec<Arg>, s: &Sliding, channels: usize, elements: usize) -> Result<()> {
    // The windows of pooling are square.
    let w = s.window.rows;
    let numbers = [w.kernel, w.stride, w.padding[0], s.height, s.width, s.out_height, s.out_width, channels];
    let numbers = numbers.into_iter().map(|n| Arg::from(n as u32));
    let piece = 16 / cx.dtype().bytes();
    let (wide, pieces) = match channels.is_multiple_of(piece) {
        true => (true, elements / piece),
        false => (false, elements),
    };
    let mut args: Vec<Arg> = before.into_iter().chain(numbers).chain([Arg::from(pieces), Arg::from(wide)]).collect();
    KERNELS.launch(cx, kernel, Grid::over(pieces), &mut args)
}

pub(crate) fn max_forward(cx: &Context, s: &Sliding, x: &Tensor, y: &mut Tensor, taps: &mut Tensor) -> Result<()> {
    let (channels, elements) = (y.shape().last(), y.shape().elements());
    launch(cx, "max_forward", vec![x.into(), y.into(), taps.into()], s, channels, elements)
}

pub(crate) fn max_backward(cx: &Context, s: &Sliding, taps: &Tensor, d_y: &Tensor, d_x: &mut Tensor, add: bool) -> Result<()> {
    let (channels, elements) = (d_x.shape().last(), d_x.shape().elements());
    launch(cx, "max_backward", vec![taps.into(), d_y.into(), d_x.into(), add.into()], s, channels, elements)
}

pub(crate) fn average_forward(cx: &Context, s: &Sliding, x: &Tensor, y: &mut Tensor) -> Result<()> {
    let (channels, elements) = (y.shape().last(), y.shape().elements());
    launch(cx, "average_forward", vec![x.into(), y.into()], s, channels, elements)
}

pub(crate) fn average_backward(cx: &Context, s: &Sliding, d_y: &Tensor, d_x: &mut Tensor, add: bool) -> Result<()> {
    let (channels, elements) = (d_x.shape().last(), d_x.shape().elements());
    launch(cx, "average_backward", vec![d_y.into(), d_x.into(), add.into()], s, channels, elements)
}
