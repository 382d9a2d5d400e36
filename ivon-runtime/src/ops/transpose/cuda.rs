//! Transposing on a GPU.

use super::Parts;
use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("transpose", include_str!("kernel.cu")) };

/// The driver's limit in y and z.
const MOST_BLOCKS: usize = 65535;

/// y\[o, b, m, a, i\] = x\[o, a, m, b, i\], or += it.
pub(super) fn transpose(cx: &Context, x: &Tensor, y: &mut Tensor, parts: Parts, add: bool) -> Result<()> {
    let Parts { a, middle, b, inner } = parts;
    let elements = x.shape().elements();
    if elements == 0 {
        return Ok(());
    }
    let planes = elements / (a * b * inner);
    if inner == 1 && planes <= MOST_BLOCKS && a.div_ceil(32) <= MOST_BLOCKS {
        let grid = Grid::of(b.div_ceil(32), a.div_ceil(32), planes).threads_2d(32, 8);
        return KERNELS.launch(cx, "transpose_tiles", grid, &mut args![x, y, a, middle, b, add]);
    }
    let grid = Grid::over(elements).at_most(4096);
    KERNELS.launch(cx, "transpose", grid, &mut args![x, y, elements, a, middle, b, inner, add])
}
