//! Normalisation of rows on a GPU.

use super::Saved;
use crate::args;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::cuda::Arg;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::columns::{Columns, over_groups};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("normalize", include_str!("kernel.cu")) };

macro_rules! in_registers {
    ($pieces:literal) => {{
        let text = concat!("constexpr int V = ", $pieces, ";\n", include_str!("registers.cu"));
        // SAFETY: as of `KERNELS`; `in_registers` gives them rows that fit.
        ($pieces, unsafe { Source::new(concat!("normalize_", $pieces), text) })
    }};
}

/// Rows longer than this get a block rather than a warp each.
const LONG: usize = 2048;

/// A grid of a warp or a block a row, and whether it is a block.
pub fn rows_grid(rows: usize, width: usize) -> (Grid, bool) {
    if width > LONG { (Grid::new(rows), true) } else { (Grid::new(rows.div_ceil(8)), false) }
}

/// Blocks that share the rows of the backward pass: four for each multiprocessor of an H100. Their number does not depend on the GPU, so that sums have
/// one order.
const BLOCKS: usize = 528;

/// Kernels that hold rows in registers, so many pieces of 16 bytes a lane: among them the widths of GPT-2 in bf16.
pub(crate) static IN_REGISTERS: [(usize, Source); 6] =
    [in_registers!(1), in_registers!(2), in_registers!(3), in_registers!(4), in_registers!(5), in_registers!(7)];

/// Those for rows of this width; none where they are too long, or not of whole pieces.
fn in_registers(cx: &Context, width: usize) -> Option<&'static Source> {
    let piece = 16 / cx.dtype().bytes();
    let fits = |pieces: usize| width.is_multiple_of(piece) && width <= pieces * 32 * piece;
    IN_REGISTERS.iter().find(|(pieces, _)| fits(*pieces)).map(|(_, source)| source)
}

pub(crate) fn forward(
    cx: &Context,
    x: &Tensor,
    (gain, bias): (&Tensor, Option<&Tensor>),
    y: &mut Tensor,
    statistics: &mut Tensor,
    eps: f64,
    centre: bool,
) -> Result<()> {
    let (rows, width) = (x.shape().rows(), x.shape().last());
    if let Some(kernels) = in_registers(cx, width) {
        let args = &mut args![x, gain, bias, y, statistics, rows, width, eps as f32, centre];
        return kernels.launch(cx, "normalize_forward", Grid::new(rows.div_ceil(8)), args);
    }
    let (grid, whole_block) = rows_grid(rows, width);
    let args = &mut args![x, gain, bias, y, statistics, rows, width, eps as f32, centre, whole_block];
    KERNELS.launch(cx, "normalize_forward", grid, args)
}

pub(crate) fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    centre: bool,
    [d_x, d_gain, d_bias]: [&mut Adjoint; 3],
) -> Result<()> {
    let Saved { x, gain, statistics } = saved;
    let (rows, width) = (x.shape().rows(), x.shape().last());
    let wanted = d_gain.wanted() || d_bias.wanted();
    // Sums over groups of rows, [groups, 2, width].
    let partial = |groups| cx.empty_of(DType::F32, [groups, 2, width]);
    if let (Some(kernels), true) = (in_registers(cx, width), d_x.wanted()) {
        let blocks = rows.div_ceil(8).clamp(1, BLOCKS);
        let mut partial = if wanted { Some(partial(blocks)?) } else { None };
        let Some((d_x, add)) = d_x.target(cx, *x.shape())? else { return Ok(()) };
        let to = Arg::from(partial.as_mut());
        let args = &mut args![&x, &d_y, &statistics, &gain, d_x, to, rows, width, centre, add];
        kernels.launch(cx, "normalize_backward", Grid::new(blocks), args)?;
        return partial.map_or(Ok(()), |partial| sums(cx, &partial, d_gain, d_bias));
    }
    if wanted {
        let Columns { grid, group, groups, wide } = Columns::of(cx.dtype(), rows, width);
        let mut partial = partial(groups)?;
        let args = &mut args![&x, &d_y, &statistics, &mut partial, rows, width, group, wide];
        KERNELS.launch(cx, "normalize_weights", grid, args)?;
        sums(cx, &partial, d_gain, d_bias)?;
    }
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())? {
        let (grid, whole_block) = rows_grid(rows, width);
        let args = &mut args![&x, &d_y, &statistics, &gain, d_x, rows, width, centre, add, whole_block];
        KERNELS.launch(cx, "normalize_backward", grid, args)?;
    }
    Ok(())
}

/// Adds up, over the groups, the sums over each group of rows.
fn sums(cx: &Context, partial: &Tensor, d_gain: &mut Adjoint, d_bias: &mut Adjoint) -> Result<()> {
    let (groups, width) = (partial.dim(0), partial.dim(2));
    let (gain, bias) = (d_gain.target(cx, [width])?, d_bias.target(cx, [width])?);
    let (add_gain, add_bias) = (gain.as_ref().is_some_and(|g| g.1), bias.as_ref().is_some_and(|b| b.1));
    let (gain, bias) = (Arg::from(gain.map(|g| g.0)), Arg::from(bias.map(|b| b.0)));
    let args = &mut args![partial, gain, add_gain, bias, add_bias, groups, width];
    KERNELS.launch(cx, "normalize_sums", over_groups(width, groups), args)
}
