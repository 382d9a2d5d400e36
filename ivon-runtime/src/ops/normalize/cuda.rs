//! Normalisation of rows on a card.

use super::Saved;
use crate::device::cuda::{Arg, Grid, Source};
use crate::ops::reduce;
use crate::{Adjoint, Context, DType, Result, Tensor, args};

pub(in crate::ops) static KERNELS: Source = Source::new("normalize", include_str!("kernel.cu"));

/// Rows longer than this get a block rather than a warp each.
const LONG: usize = 2048;

/// A grid of a warp or a block a row, and whether it is a block.
pub(in crate::ops) fn rows_grid(rows: usize, width: usize) -> (Grid, bool) {
    if width > LONG { (Grid::new(rows), true) } else { (Grid::new(rows.div_ceil(8)), false) }
}

pub(super) fn forward(
    cx: &Context,
    x: &Tensor,
    (gain, bias): (&Tensor, Option<&Tensor>),
    y: &mut Tensor,
    statistics: &mut Tensor,
    eps: f64,
    centre: bool,
) -> Result<()> {
    let (rows, width) = (x.shape().rows(), x.shape().last());
    let (grid, whole_block) = rows_grid(rows, width);
    let args = &mut args![x, gain, bias, y, statistics, rows, width, eps as f32, centre, whole_block];
    KERNELS.launch(cx, "normalize_forward", grid, args)
}

pub(super) fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    centre: bool,
    [d_x, d_gain, d_bias]: [&mut Adjoint; 3],
) -> Result<()> {
    let Saved { x, gain, statistics } = saved;
    let (rows, width) = (x.shape().rows(), x.shape().last());
    if d_gain.wanted() || d_bias.wanted() {
        let columns = width.div_ceil(32);
        let group = rows.div_ceil(1024usize.div_ceil(columns.max(1))).max(64);
        let groups = rows.div_ceil(group).max(1);
        let partial = |wanted: bool| if wanted { cx.empty_of(DType::F32, [groups, width]).map(Some) } else { Ok(None) };
        let (mut gains, mut biases) = (partial(d_gain.wanted())?, partial(d_bias.wanted())?);
        let to = [Arg::from(gains.as_mut()), Arg::from(biases.as_mut())];
        let [to_gains, to_biases] = to;
        let args = &mut [
            Arg::from(&x),
            Arg::from(&d_y),
            Arg::from(&statistics),
            to_gains,
            to_biases,
            rows.into(),
            width.into(),
            group.into(),
        ];
        KERNELS.launch(cx, "normalize_weights", Grid::of(columns, groups, 1).threads_2d(32, 8), args)?;
        for (partial, adjoint) in [(gains, d_gain), (biases, d_bias)] {
            if let (Some(partial), Some((target, add))) = (partial, adjoint.target(cx, [width])?) {
                reduce::cuda::sum_partials(cx, &partial, target, [1, groups, width], 1.0, add)?;
            }
        }
    }
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())? {
        let (grid, whole_block) = rows_grid(rows, width);
        let args = &mut args![&x, &d_y, &statistics, &gain, d_x, rows, width, centre, add, whole_block];
        KERNELS.launch(cx, "normalize_backward", grid, args)?;
    }
    Ok(())
}
