//! The passes on a GPU.

use super::cached::Cached;
use super::sight::Sight;
use super::{AT, Arguments, Gradients};
use crate::args;
use crate::context::Context;
use crate::context::cuda::Arg;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe {
    Source::new("grouped_attention", concat!(include_str!("../../device/cuda/kernels/noise.cuh"), include_str!("kernel.cu")))
};

/// The largest head that the kernels have registers for.
const LARGEST: usize = 256;
/// Rows of a tile.
const TILE: usize = 32;

/// Launches over rows of heads, with so many tiles in shared memory.
fn grid(cx: &Context, sight: &Sight, heads: usize, rows: usize, tiles: usize) -> Result<Grid> {
    let Sight { size, .. } = *sight;
    if size > LARGEST {
        let message = format!("heads of {size} columns are too large for a GPU: there are kernels for up to {LARGEST}");
        return Err(Error::shape(AT, message));
    }
    let shared = tiles * TILE * (size + 1) * size_of::<f32>();
    if let Some(gpu) = cx.cuda()
        && shared > gpu.shared_memory()?
    {
        let message = format!(
            "heads of {size} columns need {} KiB of shared memory a block, which this GPU does not have: take smaller heads",
            shared.div_ceil(1024)
        );
        return Err(Error::shape(AT, message));
    }
    Ok(Grid::of(sight.batch * heads, rows.div_ceil(TILE), 1).shared(shared))
}

/// A gradient as an argument, and whether it is added to.
fn wanted(gradient: Option<(&mut Tensor, bool)>) -> (Arg<'_>, bool) {
    gradient.map_or((Arg::Null, false), |(x, add)| (Arg::Out(x), add))
}

/// Key, counters, threshold and scale of dropout, and zeros without.
fn dropout<'a>(cx: &'a Context, sight: &Sight) -> Result<([u32; 2], Arg<'a>, u32, f32)> {
    Ok(match sight.dropout {
        Some(dropout) => (dropout.noise.key, cx.counters()?, dropout.threshold, dropout.scale as f32),
        None => ([0; 2], Arg::Null, 0, 1.0),
    })
}

pub(super) fn forward(cx: &Context, sight: Sight, x: Arguments<&Tensor>, y: &mut Tensor, lse: &mut Tensor) -> Result<()> {
    let Sight { heads, kv_heads, queries, keys, size, causal, window, .. } = sight;
    let grid = grid(cx, &sight, heads, queries, 3)?;
    let ([low, high], counters, threshold, keep) = dropout(cx, &sight)?;
    let scale = sight.scale() as f32;
    let args = &mut args![
        x.q, x.k, x.v, x.bias, x.slopes, x.mask, x.segments, y, lse, heads, kv_heads, queries, keys, size, scale, causal, window,
        low, high, counters, threshold, keep
    ];
    KERNELS.launch(cx, "grouped_forward", grid, args)
}

pub(super) fn backward(
    cx: &Context,
    sight: Sight,
    x: Arguments<&Tensor>,
    [y, lse, d_y]: [&Tensor; 3],
    gradients: Gradients,
) -> Result<()> {
    let Sight { batch, heads, kv_heads, queries, keys, size, causal, window, .. } = sight;
    let scale = sight.scale() as f32;
    let mut delta = cx.empty_of(DType::F32, *lse.shape())?;
    let rows = batch * heads * queries;
    let args = &mut args![y, d_y, &mut delta, rows, heads, queries, size];
    KERNELS.launch(cx, "grouped_delta", Grid::new(rows.div_ceil(8)), args)?;
    let delta = &delta;
    if let Some((d_q, add)) = gradients.q {
        let ([low, high], counters, threshold, keep) = dropout(cx, &sight)?;
        let args = &mut args![
            x.q, x.k, x.v, x.bias, x.slopes, x.mask, x.segments, d_y, lse, delta, d_q, heads, kv_heads, queries, keys, size,
            scale, causal, window, low, high, counters, threshold, keep, add
        ];
        KERNELS.launch(cx, "grouped_backward_queries", grid(cx, &sight, heads, queries, 4)?, args)?;
    }
    if gradients.k.is_some() || gradients.v.is_some() {
        let ([low, high], counters, threshold, keep) = dropout(cx, &sight)?;
        let ((d_k, add_k), (d_v, add_v)) = (wanted(gradients.k), wanted(gradients.v));
        let args = &mut args![
            x.q, x.k, x.v, x.bias, x.slopes, x.mask, x.segments, d_y, lse, delta, d_k, d_v, heads, kv_heads, queries, keys, size,
            scale, causal, window, low, high, counters, threshold, keep, add_k, add_v
        ];
        KERNELS.launch(cx, "grouped_backward_keys", grid(cx, &sight, kv_heads, keys, 4)?, args)?;
    }
    if gradients.bias.is_some() || gradients.slopes.is_some() {
        let ([low, high], counters, threshold, keep) = dropout(cx, &sight)?;
        let mut parts = cx.empty_of(DType::F32, [heads, queries])?;
        let (d_bias, add) = wanted(gradients.bias);
        let args = &mut args![
            x.q, x.k, x.v, x.bias, x.slopes, x.mask, x.segments, d_y, lse, delta, d_bias, &mut parts, batch, heads, kv_heads,
            queries, keys, size, scale, causal, window, low, high, counters, threshold, keep, add
        ];
        KERNELS.launch(cx, "grouped_backward_scores", Grid::new(heads * queries), args)?;
        if let Some((d_slopes, add)) = gradients.slopes {
            KERNELS.launch(cx, "grouped_backward_slopes", Grid::new(heads), &mut args![&parts, d_slopes, queries, add])?;
        }
    }
    Ok(())
}

pub(super) fn cached(cx: &Context, of: Cached) -> Result<()> {
    let Cached { sight, arguments: x, layer, before, capacity, y, .. } = of;
    let Sight { batch, heads, kv_heads, queries, size, window, .. } = sight;
    grid(cx, &sight, heads, queries, 0)?;
    let (keys, values, elements) = (&mut layer.keys, &mut layer.values, x.k.shape().elements());
    let append = &mut args![x.k, x.v, &mut *keys, &mut *values, kv_heads, queries, size, capacity, before, elements];
    KERNELS.launch(cx, "grouped_append", Grid::over(elements), append)?;
    let scale = sight.scale() as f32;
    let args = &mut args![x.q, &*keys, &*values, x.slopes, y, heads, kv_heads, queries, size, capacity, before, window, scale];
    KERNELS.launch(cx, "grouped_cached", Grid::new(batch * heads * queries), args)
}
