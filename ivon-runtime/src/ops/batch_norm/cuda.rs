//! Batch norm on a card.

use super::{Relu, Saved};
use crate::device::cuda::{Arg, Grid, Source};
use crate::{Adjoint, Buffer, Context, DType, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("batch_norm", include_str!("kernel.cu"));

/// Threads go on to further elements beyond so many blocks.
const BLOCKS: usize = 4096;

/// Rows a group, and groups: enough to fill a card, each of some length.
fn groups(rows: usize, channels: usize) -> (usize, usize) {
    let group = rows.div_ceil(1024usize.div_ceil(channels.div_ceil(32).max(1))).max(64);
    (group, rows.div_ceil(group).max(1))
}

/// Mean and r of the batch; moves the running statistics where the pass does so.
pub(super) fn of_batch(
    cx: &Context,
    x: &Tensor,
    [running_mean, running_variance]: [&Buffer; 2],
    (momentum, eps): (f64, f64),
    statistics: &mut Tensor,
) -> Result<()> {
    let (rows, channels) = (x.shape().rows(), x.shape().last());
    let (group, groups) = groups(rows, channels);
    let mut partial = cx.empty_of(DType::F32, [groups, 2, channels])?;
    let grid = Grid::of(channels.div_ceil(32), groups, 1).threads_2d(32, 8);
    KERNELS.launch(cx, "batch_moments", grid, &mut args![x, &mut partial, rows, channels, group])?;
    let (mut mean, mut variance) = (cx.update_running(running_mean)?, cx.update_running(running_variance)?);
    let (momentum, eps) = (momentum as f32, eps as f32);
    let args = &mut args![&partial, statistics, mean.as_mut(), variance.as_mut(), rows, channels, group, groups, momentum, eps];
    KERNELS.launch(cx, "batch_statistics", Grid::over(channels), args)
}

/// The running ones.
pub(super) fn of_running(cx: &Context, running: [&Buffer; 2], eps: f64, statistics: &mut Tensor) -> Result<()> {
    let (mean, variance) = (cx.running(running[0])?, cx.running(running[1])?);
    let channels = mean.shape().elements();
    KERNELS.launch(cx, "batch_running", Grid::over(channels), &mut args![&mean, &variance, statistics, channels, eps as f32])
}

/// y, or max(y + residual, 0) with a ReLU.
pub(super) fn normalize(
    cx: &Context,
    (x, residual, relu): (&Tensor, Option<&Tensor>, bool),
    statistics: &Tensor,
    gain: &Tensor,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let (elements, channels) = (x.shape().elements(), x.shape().last());
    let grid = Grid::over(elements).at_most(BLOCKS);
    KERNELS.launch(cx, "batch_normalize", grid, &mut args![x, residual, relu, statistics, gain, bias, y, elements, channels])
}

pub(super) fn backward(cx: &Context, saved: Saved, d_y: Tensor, adjoints: [&mut Adjoint; 4]) -> Result<()> {
    let [d_x, d_residual, d_gain, d_bias] = adjoints;
    let Saved { x, gain, statistics, of_batch, relu } = saved;
    let (elements, rows, channels) = (x.shape().elements(), x.shape().rows(), x.shape().last());
    let (group, groups) = groups(rows, channels);
    let mut partial = cx.empty_of(DType::F32, [groups, 2, channels])?;
    let mut sums = cx.empty_of(DType::F32, [2, channels])?;
    let grid = Grid::of(channels.div_ceil(32), groups, 1).threads_2d(32, 8);
    // Where the ReLU is known from the norm, its bias; where a residual was added, y, and d_y is overwritten by what comes through.
    let (of_norm, bias, y) = match relu {
        Relu::Absent => (false, None, None),
        Relu::OfNorm { bias } => (true, bias, None),
        Relu::OfSum { y } => (false, None, Some(y)),
    };
    let mut d_y = if y.is_some() && !d_y.is_unique() { crate::ops::copy(cx, &d_y)? } else { d_y };
    let through = if y.is_some() { Arg::from(&mut d_y) } else { Arg::from(&d_y) };
    let args =
        &mut args![&x, through, of_norm, y.as_ref(), &statistics, &gain, bias.as_ref(), &mut partial, rows, channels, group];
    KERNELS.launch(cx, "batch_gradients", grid, args)?;
    if y.is_some() {
        d_residual.add(cx, d_y.clone())?;
    }
    drop(y);
    let (biases, gains) = (d_bias.target(cx, [channels])?, d_gain.target(cx, [channels])?);
    let (add_bias, add_gain) = (biases.as_ref().is_some_and(|b| b.1), gains.as_ref().is_some_and(|g| g.1));
    let args = &mut [
        Arg::from(&partial),
        Arg::from(&mut sums),
        biases.map(|b| b.0).into(),
        add_bias.into(),
        gains.map(|g| g.0).into(),
        add_gain.into(),
        groups.into(),
        channels.into(),
    ];
    KERNELS.launch(cx, "batch_sums", Grid::over(channels), args)?;
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())? {
        let share = if of_batch { 1.0 / rows as f32 } else { 0.0 };
        let args = &mut args![&x, &d_y, of_norm, &statistics, &sums, &gain, bias.as_ref(), d_x, elements, channels, share, add];
        KERNELS.launch(cx, "batch_input", Grid::over(elements).at_most(BLOCKS), args)?;
    }
    Ok(())
}
