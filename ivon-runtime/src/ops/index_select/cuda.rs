//! Index select on a GPU.

use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index and id is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("index_select", include_str!("kernel.cu")) };

pub(super) fn select(cx: &Context, x: &Tensor, ids: &Tensor, y: &mut Tensor) -> Result<()> {
    let (elements, wide, narrow) = (y.shape().elements(), x.shape().last(), ids.dim(0));
    KERNELS.launch(cx, "index_select", Grid::over(elements), &mut args![x, ids, y, elements, wide, narrow])
}

pub(super) fn scatter(cx: &Context, ids: &Tensor, d_y: &Tensor, d_x: &mut Tensor, add: bool) -> Result<()> {
    let (elements, wide, narrow) = (d_x.shape().elements(), d_x.shape().last(), ids.dim(0));
    KERNELS.launch(cx, "index_scatter", Grid::over(elements), &mut args![d_y, ids, d_x, elements, wide, narrow, add])
}
