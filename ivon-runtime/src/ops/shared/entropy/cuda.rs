//! Cross-entropy on a GPU. The loss is f32 whatever the model computes in.

use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("entropy", include_str!("kernel.cu")) };

/// The operands of a row's loss and gradient.
pub(crate) struct Targets<'a> {
    /// The number of logits in a row; the row may be longer.
    pub classes: usize,
    pub ids: &'a Tensor,
    pub smoothing: f64,
}

/// `loss`, `lse`, `losses` and `counted`, the number of rows that count, are f32.
pub(crate) fn forward(
    cx: &Context,
    logits: &Tensor,
    targets: Targets,
    [loss, lse, losses, counted]: [&mut Tensor; 4],
) -> Result<()> {
    let (count, ids) = (losses.shape().elements(), targets.ids);
    rows(cx, logits, targets, [lse, &mut *losses])?;
    let of_none = if cx.in_micro_batches() { 0.0 } else { f32::NAN };
    KERNELS.launch(cx, "entropy_mean", Grid::new(1), &mut args![&*losses, ids, loss, counted, count, of_none])
}

/// The losses alone, and `lse`.
pub(crate) fn rows(cx: &Context, logits: &Tensor, targets: Targets, [lse, losses]: [&mut Tensor; 2]) -> Result<()> {
    let (count, length) = (losses.shape().elements(), logits.shape().last());
    let args = &mut args![logits, targets.ids, lse, losses, length, targets.classes, targets.smoothing as f32];
    KERNELS.launch(cx, "entropy_forward", Grid::new(count), args)
}

/// Into `d_logits`, which holds the logits themselves where there are none beside.
pub(crate) fn backward(
    cx: &Context,
    (logits, d_logits): (Option<&Tensor>, &mut Tensor),
    targets: Targets,
    [lse, d_loss, counted]: [&Tensor; 3],
    add: bool,
) -> Result<()> {
    let (count, length) = (lse.shape().elements(), d_logits.shape().last());
    let Targets { classes, ids, smoothing } = targets;
    let (smoothing, d_loss_is_real) = (smoothing as f32, d_loss.dtype() == cx.dtype());
    let args =
        &mut args![Arg::from(logits), d_logits, ids, lse, d_loss, d_loss_is_real, counted, length, classes, smoothing, add];
    KERNELS.launch(cx, "entropy_backward", Grid::new(count), args)
}
