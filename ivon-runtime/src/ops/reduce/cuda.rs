//! Sums on a card.

use crate::device::cuda::{Arg, Grid, Source};
use crate::{Context, DType, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("reduce", include_str!("kernel.cu"));

/// Blocks that a sum is spread over: enough to fill any card.
const BLOCKS: usize = 1024;
/// The shortest stretch of an axis that is worth a block.
const SHORTEST: usize = 64;
/// What the driver allows in y and z.
const MOST_BLOCKS: usize = 65535;

/// y \[outer, inner\] = scale · the sum of x \[outer, axis, inner\] over its axis, or += it.
pub(in crate::ops) fn sum(
    cx: &Context,
    x: &Tensor,
    y: &mut Tensor,
    [outer, axis, inner]: [usize; 3],
    scale: f64,
    add: bool,
) -> Result<()> {
    // More of the outer dimension than a grid takes is worked off in turns.
    if outer > MOST_BLOCKS {
        return sum_by_element(cx, x, y, [outer, axis, inner], scale, add);
    }
    let columns = if inner == 1 { 1 } else { inner.div_ceil(32) };
    let wanted = BLOCKS.div_ceil((columns * outer).max(1));
    let group = axis.div_ceil(wanted).max(SHORTEST * if inner == 1 { 32 } else { 1 }).max(axis.div_ceil(MOST_BLOCKS));
    let groups = axis.div_ceil(group).max(1);
    let mut partial = if groups > 1 { Some(cx.empty_of(DType::F32, [outer, groups, inner])?) } else { None };
    let scale = scale as f32;
    let to = Arg::from(partial.as_mut());
    match inner {
        1 => {
            let args = &mut [Arg::from(x), Arg::from(&mut *y), to, axis.into(), group.into(), scale.into(), add.into()];
            KERNELS.launch(cx, "sum_lines", Grid::of(groups, outer, 1), args)?;
        }
        _ => {
            let args =
                &mut [Arg::from(x), Arg::from(&mut *y), to, axis.into(), inner.into(), group.into(), scale.into(), add.into()];
            KERNELS.launch(cx, "sum_columns", Grid::of(columns, groups, outer).threads_2d(32, 8), args)?;
        }
    }
    match &partial {
        Some(partial) => sum_partials(cx, partial, y, [outer, groups, inner], scale, add),
        None => Ok(()),
    }
}

/// y \[outer, inner\] = scale · the sum of `partial` \[outer, groups, inner\] (f32) over the groups, or += it.
pub(in crate::ops) fn sum_partials(
    cx: &Context,
    partial: &Tensor,
    y: &mut Tensor,
    [outer, groups, inner]: [usize; 3],
    scale: f32,
    add: bool,
) -> Result<()> {
    let grid = Grid::over(outer * inner);
    KERNELS.launch(cx, "sum_partials", grid, &mut args![partial, y, outer, groups, inner, scale, add])
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
