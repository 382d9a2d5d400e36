//! Rotary positions on a GPU.

use super::Turn;
use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("rotary", include_str!("kernel.cu")) };

/// y = x turned, or += it.
pub(super) fn rotate(cx: &Context, turn: Turn, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
    let (length, size, pairs) = (x.dim(1), x.dim(2) / turn.heads, x.shape().elements() / 2);
    let octaves = turn.base.log2() as f32;
    let args = &mut args![x, y, pairs, length, turn.heads, size, turn.first, octaves, turn.back, add];
    KERNELS.launch(cx, "rotate", Grid::over(pairs), args)
}
