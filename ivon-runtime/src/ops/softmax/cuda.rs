//! Softmax, and its logarithm, on a GPU.

use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::Source;
use crate::ops::shared::normalize::cuda::rows_grid;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("softmax", include_str!("kernel.cu")) };

pub(crate) fn forward(cx: &Context, x: &Tensor, y: &mut Tensor, log: bool) -> Result<()> {
    let (rows, width) = (x.shape().rows(), x.shape().last());
    let (grid, whole_block) = rows_grid(rows, width);
    KERNELS.launch(cx, "softmax_forward", grid, &mut args![x, y, rows, width, log, whole_block])
}

pub(crate) fn backward(cx: &Context, y: &Tensor, d_y: &Tensor, d_x: &mut Tensor, log: bool, add: bool) -> Result<()> {
    let (rows, width) = (y.shape().rows(), y.shape().last());
    let (grid, whole_block) = rows_grid(rows, width);
    KERNELS.launch(cx, "softmax_backward", grid, &mut args![y, d_y, d_x, rows, width, log, add, whole_block])
}
