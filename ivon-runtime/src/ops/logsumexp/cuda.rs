//! ln of the sum of e^x along an axis, on a GPU.

use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::axes::Parts;
use crate::ops::shared::normalize::cuda::rows_grid;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("logsumexp", include_str!("kernel.cu")) };

pub(super) fn forward(cx: &Context, x: &Tensor, y: &mut Tensor, exact: Option<&mut Tensor>, step: Parts) -> Result<()> {
    let (Parts { outer, axis, inner }, exact) = (step, Arg::from(exact));
    if inner == 1 {
        let (grid, whole_block) = rows_grid(outer, axis);
        return KERNELS.launch(cx, "logsumexp_rows", grid, &mut args![x, y, exact, outer, axis, whole_block]);
    }
    KERNELS.launch(cx, "logsumexp", Grid::over(outer * inner), &mut args![x, y, exact, outer * inner, axis, inner])
}

pub(super) fn backward(cx: &Context, [x, y, d_y]: [&Tensor; 3], d_x: &mut Tensor, step: Parts, add: bool) -> Result<()> {
    let Parts { axis, inner, .. } = step;
    let elements = d_x.shape().elements();
    KERNELS.launch(cx, "logsumexp_backward", Grid::over(elements), &mut args![x, y, d_y, d_x, elements, axis, inner, add])
}
