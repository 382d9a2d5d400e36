//! Tensors of ids and places, on a GPU.

use super::Pattern;
use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::compare_ids::Comparison;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with; there is an id for each row.
pub(crate) static KERNELS: Source = unsafe { Source::new("patterns", include_str!("kernel.cu")) };

pub(crate) fn make(cx: &Context, ids: Option<&Tensor>, y: &mut Tensor, width: usize, pattern: Pattern) -> Result<()> {
    let elements = y.shape().elements();
    let (kind, start, end, outside) = match pattern {
        Pattern::Column => (0u32, 0, 0, false),
        Pattern::Below => (1, 0, 0, false),
        Pattern::Count => (2, 0, 0, false),
        Pattern::Range { start, end, outside } => (3, start, end, outside),
    };
    let args = &mut args![Arg::from(ids), y, elements, width, kind, start, end, outside];
    KERNELS.launch(cx, "pattern", Grid::over(elements), args)
}

pub(crate) fn compare(cx: &Context, [a, b]: [&Tensor; 2], y: &mut Tensor, comparison: Comparison) -> Result<()> {
    let elements = y.shape().elements();
    KERNELS.launch(cx, "compare_ids", Grid::over(elements), &mut args![a, b, y, elements, comparison as u32])
}
