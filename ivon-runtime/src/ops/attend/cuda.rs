//! Attention on a card: on tensor cores for bf16 and heads of 32, 64 or 128, else without.

use super::Saved;
use super::heads::Geometry;
use crate::cache::Layer;
use crate::device::cuda::{Grid, Source};
use crate::{Adjoint, Context, DType, Error, Result, Tensor, args};

pub(in crate::ops) static PLAIN: Source = Source::new("attend", include_str!("kernel.cu"));
pub(in crate::ops) static CACHED: Source = Source::new("attend_cached", include_str!("cached.cu"));
pub(in crate::ops) static FLASH: [(usize, Source); 3] = [
    (32, Source::new("flash_32", concat!("constexpr int SIZE = 32;\n", include_str!("flash.cu")))),
    (64, Source::new("flash_64", concat!("constexpr int SIZE = 64;\n", include_str!("flash.cu")))),
    (128, Source::new("flash_128", concat!("constexpr int SIZE = 128;\n", include_str!("flash.cu")))),
];

/// The largest head that the plain kernels have registers for.
const LARGEST: usize = 256;
/// Rows of a tile of the plain kernels, and of a block of those on tensor cores.
const TILE: usize = 32;
const OWN: usize = 64;

/// The kernels on tensor cores for heads of this size, if there are such.
fn flash(cx: &Context, size: usize) -> Option<&'static Source> {
    let of_size = FLASH.iter().find(|(s, _)| *s == size).map(|(_, source)| source);
    of_size.filter(|_| cx.dtype() == DType::Bf16)
}

/// Bytes of shared memory for so many tiles of the plain kernels.
fn plain_shared(size: usize, tiles: usize) -> usize {
    tiles * TILE * (size + 1) * size_of::<f32>()
}

/// The same on tensor cores: `own` tiles of the block's rows, and two pairs of those that come by with two numbers a row.
fn flash_shared(size: usize, own: usize) -> usize {
    let tile = if size == 128 { 32 } else { 64 };
    (own * OWN + 4 * tile) * (size + 8) * 2 + 4 * tile * size_of::<f32>()
}

fn check(at: &str, geometry: &Geometry) -> Result<()> {
    if geometry.size > LARGEST {
        let message =
            format!("heads of {} columns are too large for a card: there are kernels for up to {LARGEST}", geometry.size);
        return Err(Error::shape(at, message));
    }
    Ok(())
}

pub(super) fn forward(at: &str, cx: &Context, geometry: Geometry, qkv: &Tensor, y: &mut Tensor, lse: &mut Tensor) -> Result<()> {
    check(at, &geometry)?;
    let Geometry { batch, heads, length, size, causal } = geometry;
    let scale = geometry.scale() as f32;
    match flash(cx, size) {
        Some(kernels) => {
            let grid = Grid::of(batch * heads, length.div_ceil(OWN), 1).threads(128).shared(flash_shared(size, 1));
            kernels.launch(cx, "flash_forward", grid, &mut args![qkv, y, lse, heads, length, scale, causal])
        }
        None => {
            let grid = Grid::of(batch * heads, length.div_ceil(TILE), 1).shared(plain_shared(size, 3));
            PLAIN.launch(cx, "attend_forward", grid, &mut args![qkv, y, lse, heads, length, size, scale, causal])
        }
    }
}

/// The same of positions that follow `before` others, whose keys and values the layer holds; it takes in those of the new ones.
pub(super) fn cached(
    at: &str,
    cx: &Context,
    geometry: Geometry,
    qkv: &Tensor,
    (layer, before): (&mut Layer, usize),
    y: &mut Tensor,
) -> Result<()> {
    check(at, &geometry)?;
    let Geometry { batch, heads, length, size, .. } = geometry;
    let (queries, scale, capacity) = (batch * heads * length, geometry.scale() as f32, layer.keys.dim(1));
    let (keys, values, elements) = (&mut layer.keys, &mut layer.values, queries * size);
    let append = &mut args![qkv, &mut *keys, &mut *values, heads, length, size, capacity, before, elements];
    CACHED.launch(cx, "cache_append", Grid::over(elements), append)?;
    let args = &mut args![qkv, &*keys, &*values, y, heads, length, size, capacity, before, scale];
    CACHED.launch(cx, "cached_forward", Grid::new(queries), args)
}

pub(super) fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_qkv: &mut Adjoint, causal: bool) -> Result<()> {
    let Saved { heads, qkv, y, lse } = saved;
    let geometry = Geometry::of(qkv.shape(), heads, causal);
    let Geometry { batch, length, size, .. } = geometry;
    let Some((d_qkv, add)) = d_qkv.target(cx, *qkv.shape())? else { return Ok(()) };
    let mut delta = cx.empty_of(DType::F32, *lse.shape())?;
    let (queries, scale) = (batch * heads * length, geometry.scale() as f32);
    let args = &mut args![&y, &d_y, &mut delta, queries, heads, length, size];
    PLAIN.launch(cx, "attend_delta", Grid::new(queries.div_ceil(8)), args)?;
    match flash(cx, size) {
        Some(kernels) => {
            let grid = Grid::of(batch * heads, length.div_ceil(OWN), 1).threads(128).shared(flash_shared(size, 2));
            for kernel in ["flash_backward_queries", "flash_backward_keys"] {
                let args = &mut args![&qkv, &d_y, &lse, &delta, &mut *d_qkv, heads, length, scale, causal, add];
                kernels.launch(cx, kernel, grid, args)?;
            }
        }
        None => {
            let grid = Grid::of(batch * heads, length.div_ceil(TILE), 1).shared(plain_shared(size, 4));
            for kernel in ["attend_backward_queries", "attend_backward_keys"] {
                let args = &mut args![&qkv, &d_y, &lse, &delta, &mut *d_qkv, heads, length, size, scale, causal, add];
                PLAIN.launch(cx, kernel, grid, args)?;
            }
        }
    }
    Ok(())
}
