//! Rows of a table on a GPU.

use crate::args;
use crate::context::Context;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("embedding", include_str!("kernel.cu")) };

/// Positions that a block sorts.
const SORTED: usize = 2048;

pub(super) fn forward(cx: &Context, ids: &Tensor, weight: &Tensor, y: &mut Tensor) -> Result<()> {
    let (rows, width) = (weight.dim(0), weight.dim(1));
    let grid = Grid::new(ids.shape().elements()).threads(128);
    KERNELS.launch(cx, "embedding_forward", grid, &mut args![ids, weight, y, rows, width])
}

/// `d_weight[id] +=` the sum of the rows of `d_y` at which `id` stands.
pub(super) fn backward(cx: &Context, ids: &Tensor, d_y: &Tensor, d_weight: &mut Tensor) -> Result<()> {
    let (rows, width) = (d_weight.dim(0), d_weight.dim(1));
    let count = ids.shape().elements();
    let keys = sorted(cx, ids)?;
    let piece = 16 / cx.dtype().bytes();
    let wide = width.is_multiple_of(piece);
    let across = 32 * if wide { piece } else { 1 };
    let grid = Grid::of(count.div_ceil(8), width.div_ceil(across), 1);
    KERNELS.launch(cx, "embedding_backward", grid, &mut args![&keys, d_y, d_weight, count, rows, width, wide])
}

/// The positions, those of an id side by side in their order: keys of 64 bits, the id above the position.
fn sorted(cx: &Context, ids: &Tensor) -> Result<Tensor> {
    let count = ids.shape().elements();
    let mut keys = cx.empty_of(DType::U32, [count, 2])?;
    KERNELS.launch(cx, "embedding_sort", Grid::new(count.div_ceil(SORTED)), &mut args![ids, &mut keys, count])?;
    let mut length = SORTED;
    while length < count {
        let mut merged = cx.empty_of(DType::U32, [count, 2])?;
        KERNELS.launch(cx, "embedding_merge", Grid::over(count), &mut args![&keys, &mut merged, length, count])?;
        (keys, length) = (merged, 2 * length);
    }
    Ok(keys)
}
