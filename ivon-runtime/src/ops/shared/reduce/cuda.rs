//! Sums on a GPU.

use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::columns::{Columns, over_groups};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("reduce", include_str!("kernel.cu")) };

/// Blocks that a sum is spread over: enough to fill any GPU.
const BLOCKS: usize = 1024;
/// The shortest line that is worth a block.
const SHORTEST: usize = 2048;
/// The driver's limit in y and z.
const MOST_BLOCKS: usize = 65535;

/// y \[outer, inner\] = scale · the sum of x \[outer, axis, inner\] over its axis, or += it.
pub(crate) fn sum(
    cx: &Context,
    x: &Tensor,
    y: &mut Tensor,
    [outer, axis, inner]: [usize; 3],
    scale: f64,
    add: bool,
) -> Result<()> {
    // An outer dimension that exceeds a grid is summed by element.
    if outer > MOST_BLOCKS {
        return sum_by_element(cx, x, y, [outer, axis, inner], scale, add);
    }
    let (grid, group, groups, wide) = match inner {
        1 => {
            let group = axis.div_ceil(BLOCKS.div_ceil(outer.max(1))).max(SHORTEST).max(axis.div_ceil(MOST_BLOCKS));
            let groups = axis.div_ceil(group).max(1);
            (Grid::of(groups, outer, 1), group, groups, false)
        }
        _ => {
            let Columns { grid, group, groups, wide } = Columns::of(cx.dtype(), axis, inner);
            (grid.deep(outer), group, groups, wide)
        }
    };
    let mut partial = if groups > 1 { Some(cx.empty_of(DType::F32, [outer, groups, inner])?) } else { None };
    let scale = scale as f32;
    let to = Arg::from(partial.as_mut());
    match inner {
        1 => KERNELS.launch(cx, "sum_lines", grid, &mut args![x, &mut *y, to, axis, group, scale, add])?,
        _ => KERNELS.launch(cx, "sum_columns", grid, &mut args![x, &mut *y, to, axis, inner, group, scale, add, wide])?,
    }
    match &partial {
        Some(partial) => sum_partials(cx, partial, y, [outer, groups, inner], scale, add),
        None => Ok(()),
    }
}

/// y \[outer, inner\] = scale · the sum of `partial` \[outer, groups, inner\] (f32) over the groups, or += it.
pub(crate) fn sum_partials(
    cx: &Context,
    partial: &Tensor,
    y: &mut Tensor,
    [outer, groups, inner]: [usize; 3],
    scale: f32,
    add: bool,
) -> Result<()> {
    let grid = over_groups(inner, groups).tall(outer);
    KERNELS.launch(cx, "sum_partials", grid, &mut args![partial, y, groups, inner, scale, add])
}

/// The same, a thread for each element of y.
fn sum_by_element(
    cx: &Context,
    x: &Tensor,
    y: &mut Tensor,
    [outer, axis, inner]: [usize; 3],
    scale: f64,
    add: bool,
) -> Result<()> {
    let grid = Grid::over(outer * inner);
    KERNELS.launch(cx, "sum_elements", grid, &mut args![x, y, outer, axis, inner, scale as f32, add])
}
