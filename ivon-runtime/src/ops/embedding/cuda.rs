//! Rows of a table on a card.

use crate::device::cuda::{Grid, Source};
use crate::{Context, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("embedding", include_str!("kernel.cu"));

/// Columns that a block of the backward pass sums up.
const COLUMNS: usize = 512;

pub(super) fn forward(cx: &Context, ids: &Tensor, weight: &Tensor, y: &mut Tensor) -> Result<()> {
    let (rows, width) = (weight.dim(0), weight.dim(1));
    let grid = Grid::new(ids.shape().elements()).threads(128);
    KERNELS.launch(cx, "embedding_forward", grid, &mut args![ids, weight, y, rows, width])
}

/// `d_weight[id] +=` the sum of the rows of `d_y` at which `id` stands.
pub(super) fn backward(cx: &Context, ids: &Tensor, d_y: &Tensor, d_weight: &mut Tensor) -> Result<()> {
    let (rows, width) = (d_weight.dim(0), d_weight.dim(1));
    let count = ids.shape().elements();
    let grid = Grid::of(count, width.div_ceil(COLUMNS), 1).threads(128);
    KERNELS.launch(cx, "embedding_backward", grid, &mut args![ids, d_y, d_weight, count, rows, width])
}
