//! Attention on a card: on tensor cores for bf16 and heads of 32, 64 or 128, else without.

use super::Saved;
use super::heads::Geometry;
use crate::cache::Layer;
use crate::device::cuda::{Grid, Source};
use crate::{Adjoint, Context, DType, Error, Result, Tensor, args};

pub(in crate::ops) static PLAIN: Source = Source::new("attend", include_str!("kernel.cu"));
pub(in crate::ops) static CACHED: Source = Source::new("attend_cached", include_str!("cached.cu"));

/// The same kernels on tensor cores for heads of each of these sizes.
macro_rules! for_sizes {
    ($name:literal, $($text:expr),*) => {
        [
            (32, Source::new(concat!($name, "_32"), concat!("constexpr int SIZE = 32;\n", $($text),*))),
            (64, Source::new(concat!($name, "_64"), concat!("constexpr int SIZE = 64;\n", $($text),*))),
            (128, Source::new(concat!($name, "_128"), concat!("constexpr int SIZE = 128;\n", $($text),*))),
        ]
    };
}
pub(in crate::ops) type Flash = [(usize, Source); 3];
pub(in crate::ops) static FORWARD: Flash =
    for_sizes!("flash_forward", include_str!("flash.cu"), include_str!("flash_forward.cu"));
pub(in crate::ops) static BACKWARD: Flash = for_sizes!("flash_backward", include_str!("flash_backward.cu"));

/// The largest head that the plain kernels have registers for.
const LARGEST: usize = 256;
/// Rows of a tile of the plain kernels, and of a block of the backward kernels on tensor cores.
const TILE: usize = 32;
const OWN: usize = 64;
/// Bytes that heads worked on at the same time may read again and again: less than the L2 cache of an A100 or H100, whose halves keep copies.
const L2: usize = 16 << 20;

/// The kernels on tensor cores for heads of this size, if there are such.
fn flash(kernels: &'static Flash, cx: &Context, size: usize) -> Option<&'static Source> {
    let of_size = kernels.iter().find(|(s, _)| *s == size).map(|(_, source)| source);
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
    match flash(&FORWARD, cx, size) {
        Some(kernels) => {
            let (own, tile) = (128, if size == 128 { 32 } else { 64 });
            let (all_heads, blocks) = (batch * heads, length.div_ceil(own));
            // Keys and values of one head are 4 · T · SIZE bytes.
            let group = (L2 / (4 * length * size).max(1)).clamp(1, all_heads.max(1));
            let grid = Grid::new(all_heads * blocks).threads(128).shared((own + 4 * tile) * (size + 8) * 2);
            let counts = [heads, length, all_heads, blocks, group].map(|n| n as u32);
            let [heads, length, all_heads, blocks, group] = counts;
            let args = &mut args![qkv, y, lse, heads, length, scale, causal, all_heads, blocks, group];
            kernels.launch(cx, "flash_forward", grid, args)
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
    match flash(&BACKWARD, cx, size) {
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
