//! Batch norm on a GPU.

use super::{Relu, Saved};
use crate::args;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::cuda::Arg;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::columns::{Columns, over_groups};
use crate::tensor::Tensor;
use crate::tensor::parameter::Buffer;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("batch_norm", include_str!("kernel.cu")) };

/// Mean and r of the batch; moves the running statistics where the pass does so.
pub(super) fn of_batch(
    cx: &Context,
    x: &Tensor,
    [running_mean, running_variance]: [&Buffer; 2],
    (momentum, eps): (f64, f64),
    statistics: &mut Tensor,
) -> Result<()> {
    let (rows, channels) = (x.shape().rows(), x.shape().last());
    let Columns { grid, group, groups, wide } = Columns::of(cx.dtype(), rows, channels);
    let mut partial = cx.empty_of(DType::F32, [groups, 2, channels])?;
    KERNELS.launch(cx, "batch_moments", grid, &mut args![x, &mut partial, rows, channels, group, wide])?;
    let (mut mean, mut variance) = (cx.update_running(running_mean)?, cx.update_running(running_variance)?);
    let (momentum, eps) = (momentum as f32, eps as f32);
    let args = &mut args![&partial, statistics, mean.as_mut(), variance.as_mut(), rows, channels, group, groups, momentum, eps];
    KERNELS.launch(cx, "batch_statistics", over_groups(channels, groups), args)
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
    let (rows, channels) = (x.shape().rows(), x.shape().last());
    let Columns { grid, group, wide, .. } = Columns::of(cx.dtype(), rows, channels);
    let args = &mut args![x, residual, relu, statistics, gain, bias, y, rows, channels, group, wide];
    KERNELS.launch(cx, "batch_normalize", grid, args)
}

pub(super) fn backward(cx: &Context, saved: Saved, d_y: Tensor, adjoints: [&mut Adjoint; 4]) -> Result<()> {
    let [d_x, d_residual, d_gain, d_bias] = adjoints;
    let Saved { x, gain, statistics, of_batch, relu } = saved;
    let (rows, channels) = (x.shape().rows(), x.shape().last());
    let Columns { grid, group, groups, wide } = Columns::of(cx.dtype(), rows, channels);
    let mut partial = cx.empty_of(DType::F32, [groups, 2, channels])?;
    let mut sums = cx.empty_of(DType::F32, [2, channels])?;
    // If the norm determines the ReLU, the kernels need the norm's bias. If a residual was added, they need y, and the gradient that passes the ReLU
    // overwrites d_y.
    let (of_norm, bias, y) = match relu {
        Relu::Absent => (false, None, None),
        Relu::OfNorm { bias } => (true, bias, None),
        Relu::OfSum { y } => (false, None, Some(y)),
    };
    let mut d_y = if y.is_some() && !d_y.is_unique() { crate::ops::copy(cx, &d_y)? } else { d_y };
    let [read, through] = if y.is_some() { [Arg::Null, Arg::from(&mut d_y)] } else { [Arg::from(&d_y), Arg::Null] };
    let (gain, of_bias, into) = (&gain, bias.as_ref(), &mut partial);
    let args = &mut args![&x, read, through, of_norm, y.as_ref(), &statistics, gain, of_bias, into, rows, channels, group, wide];
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
    KERNELS.launch(cx, "batch_sums", over_groups(channels, groups), args)?;
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())? {
        let share = if of_batch { 1.0 / rows as f32 } else { 0.0 };
        let args = &mut args![&x, &d_y, of_norm, &statistics, &sums, gain, of_bias, d_x, rows, channels, group, share, add, wide];
        KERNELS.launch(cx, "batch_input", grid, args)?;
    }
    Ok(())
}
