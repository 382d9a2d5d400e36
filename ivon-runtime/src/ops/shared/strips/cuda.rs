//! Copies of strips on a GPU.

use super::Strip;
use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("strips", include_str!("kernel.cu")) };

/// Threads go on to further pieces beyond so many blocks.
const BLOCKS: usize = 4096;

/// A strip counted in pieces of 16 bytes, if it lies on whole ones, and elements a piece.
fn pieces(cx: &Context, strip: Strip) -> (Strip, usize) {
    let wide = 16 / cx.dtype().bytes();
    let Strip { length, start, width } = strip;
    match [length, start, width].iter().all(|n| n.is_multiple_of(wide)) {
        true => (Strip { length: length / wide, start: start / wide, width: width / wide }, wide),
        false => (strip, 1),
    }
}

/// `part` = the strip of `whole`, or += it.
pub(crate) fn take(cx: &Context, strip: Strip, whole: &Tensor, part: &mut Tensor, add: bool) -> Result<()> {
    let (Strip { length, start, width }, wide) = pieces(cx, strip);
    let count = part.shape().elements() / wide;
    let grid = Grid::over(count).at_most(BLOCKS);
    KERNELS.launch(cx, "strip_take", grid, &mut args![whole, part, count, length, start, width, add, wide > 1])
}

/// [`take`] of ids, which are overwritten.
pub(crate) fn take_ids(cx: &Context, Strip { length, start, width }: Strip, whole: &Tensor, part: &mut Tensor) -> Result<()> {
    let count = part.shape().elements();
    let grid = Grid::over(count).at_most(BLOCKS);
    KERNELS.launch(cx, "strip_take_ids", grid, &mut args![whole, part, count, length, start, width])
}

/// The strip of `whole` = `part`, or += it; the rest of it stays.
pub(crate) fn put(cx: &Context, strip: Strip, part: &Tensor, whole: &mut Tensor, add: bool) -> Result<()> {
    let (Strip { length, start, width }, wide) = pieces(cx, strip);
    let count = part.shape().elements() / wide;
    let grid = Grid::over(count).at_most(BLOCKS);
    KERNELS.launch(cx, "strip_put", grid, &mut args![part, whole, count, length, start, width, add, wide > 1])
}
