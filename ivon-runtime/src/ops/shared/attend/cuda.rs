//! Attention on a GPU: on tensor cores for bf16 and heads of 32, 64 or 128, else without.

use super::Saved;
use super::heads::Geometry;
use crate::args;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::cache::Layer;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static PLAIN: Source = unsafe { Source::new("attend", include_str!("kernel.cu")) };
// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static CACHED: Source = unsafe { Source::new("attend_cached", include_str!("cached.cu")) };

macro_rules! for_size {
    ($name:literal, $size:literal, $($text:expr),*) => {{
        let text = concat!("constexpr int SIZE = ", $size, ";\n", $($text),*);
        // SAFETY: as of `PLAIN`; `flash` gives them heads of this size.
        ($size, unsafe { Source::new(concat!($name, "_", $size), text) })
    }};
}

/// The same kernels on tensor cores for heads of each of these sizes.
macro_rules! for_sizes {
    ($name:literal, $($text:expr),*) => {
        [
            for_size!($name, 32, $($text),*),
            for_size!($name, 64, $($text),*),
            for_size!($name, 128, $($text),*),
        ]
    };
}
pub(crate) type Flash = [(usize, Source); 3];
pub(crate) static FORWARD: Flash = for_sizes!("flash_forward", include_str!("flash.cu"), include_str!("flash_forward.cu"));
pub(crate) static BACKWARD: Flash = for_sizes!("flash_backward", include_str!("flash.cu"), include_str!("flash_backward.cu"));

/// The largest head that the plain kernels have registers for.
const LARGEST: usize = 256;
/// Rows of a tile of the plain kernels.
const TILE: usize = 32;
/// Rows of a block of the kernels on tensor cores.
const OWN: usize = 128;
/// Bytes that heads worked on at the same time may read again and again: less than the L2 cache of an A100 or H100, whose halves keep copies.
const L2: usize = 16 << 20;

/// The kernels on tensor cores for heads of this size, if there are such, and the GPU gives their blocks so much shared memory.
fn flash(kernels: &'static Flash, cx: &Context, size: usize, shared: usize) -> Result<Option<&'static Source>> {
    let of_size = kernels.iter().find(|(s, _)| *s == size).map(|(_, source)| source);
    let serves = cx.dtype() == DType::Bf16 && fits(cx, shared)?;
    Ok(of_size.filter(|_| serves))
}

/// True if the GPU gives a block so much shared memory.
fn fits(cx: &Context, shared: usize) -> Result<bool> {
    cx.cuda().map_or(Ok(true), |gpu| Ok(shared <= gpu.shared_memory()?))
}

/// Rows of a tile that comes by, forward and backward, as in `flash_forward.cu` and `flash_backward.cu`, and what a block has in shared memory: queries,
/// and two tiles of keys and values; keys and values, two tiles of queries and d_y, ds, two tiles of marks, the ticket.
fn forward_tile(size: usize) -> (usize, usize) {
    let tile = if size == 128 { 32 } else { 64 };
    (tile, (OWN + 4 * tile) * (size + 8) * 2)
}
fn backward_tile(size: usize) -> (usize, usize) {
    let tile = if size == 64 { 32 } else { 64 };
    (tile, (2 * OWN + 4 * tile) * (size + 8) * 2 + OWN * (tile + 8) * 2 + 4 * tile * size_of::<f32>() + 16)
}

/// Bytes of shared memory for so many tiles of the plain kernels.
fn plain_shared(size: usize, tiles: usize) -> usize {
    tiles * TILE * (size + 1) * size_of::<f32>()
}

/// How the kernels on tensor cores share their work: the heads, the blocks of rows of each, and how many heads make a group, where a head has `bytes`
/// for each row and column that blocks read again.
fn work(geometry: &Geometry, bytes: usize) -> [u32; 3] {
    let heads = geometry.batch * geometry.heads;
    let group = (L2 / (bytes * geometry.length * geometry.size).max(1)).clamp(1, heads.max(1));
    [heads, geometry.length.div_ceil(OWN), group].map(|n| n as u32)
}

fn check(at: &str, geometry: &Geometry) -> Result<()> {
    if geometry.size > LARGEST {
        let message =
            format!("heads of {} columns are too large for a GPU: there are kernels for up to {LARGEST}", geometry.size);
        return Err(Error::shape(at, message));
    }
    Ok(())
}

pub(crate) fn forward(at: &str, cx: &Context, geometry: Geometry, qkv: &Tensor, y: &mut Tensor, lse: &mut Tensor) -> Result<()> {
    check(at, &geometry)?;
    let Geometry { batch, heads, length, size, causal } = geometry;
    let scale = geometry.scale() as f32;
    let (_, shared) = forward_tile(size);
    match flash(&FORWARD, cx, size, shared)? {
        Some(kernels) => {
            let [all_heads, blocks, group] = work(&geometry, 4); // keys and values
            let grid = Grid::new(batch * heads * length.div_ceil(OWN)).threads(128).shared(shared);
            let (heads, length) = (heads as u32, length as u32);
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
pub(crate) fn cached(
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

pub(crate) fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_qkv: &mut Adjoint, causal: bool) -> Result<()> {
    let Saved { heads, qkv, y, lse } = saved;
    let geometry = Geometry::of(qkv.shape(), heads, causal);
    let Geometry { batch, length, size, .. } = geometry;
    let Some((d_qkv, add)) = d_qkv.target(cx, *qkv.shape())? else { return Ok(()) };
    if let Some(kernels) = flash(&BACKWARD, cx, size, backward_tile(size).1)? {
        return backward_on_tensor_cores(kernels, cx, geometry, [&qkv, &y, &lse, &d_y], d_qkv, add);
    }
    let shared = plain_shared(size, 4);
    if !fits(cx, shared)? {
        let message = format!(
            "the gradient of heads of {size} columns needs {} KiB of shared memory a block, which this GPU does not have: take smaller heads",
            shared.div_ceil(1024)
        );
        return Err(Error::shape("attention", message));
    }
    let mut delta = cx.empty_of(DType::F32, *lse.shape())?;
    let (queries, scale) = (batch * heads * length, geometry.scale() as f32);
    let args = &mut args![&y, &d_y, &mut delta, queries, heads, length, size];
    PLAIN.launch(cx, "attend_delta", Grid::new(queries.div_ceil(8)), args)?;
    let grid = Grid::of(batch * heads, length.div_ceil(TILE), 1).shared(shared);
    for kernel in ["attend_backward_queries", "attend_backward_keys"] {
        let args = &mut args![&qkv, &d_y, &lse, &delta, &mut *d_qkv, heads, length, size, scale, causal, add];
        PLAIN.launch(cx, kernel, grid, args)?;
    }
    Ok(())
}

/// Shapes as in flash_backward.cu.
fn backward_on_tensor_cores(
    kernels: &Source,
    cx: &Context,
    geometry: Geometry,
    [qkv, y, lse, d_y]: [&Tensor; 4],
    d_qkv: &mut Tensor,
    add: bool,
) -> Result<()> {
    let Geometry { batch, heads, length, size, causal } = geometry;
    let (threads, (tile, shared)) = (if size == 128 { 256 } else { 128 }, backward_tile(size));
    let tiles = length.div_ceil(tile);
    let padded = tiles * tile;
    // lse and -delta of each query; whose turn it is; the gradients of queries so far.
    let mut marks = cx.empty_of(DType::F32, [batch * heads, padded, 2])?;
    let mut turns = cx.empty_of(DType::U32, [1 + batch * heads * tiles])?;
    let mut sums = cx.empty_of(DType::F32, [batch * heads, padded, size])?;
    let [all_heads, blocks, group] = work(&geometry, 8); // queries, d_y and sums
    let grid = Grid::over(batch * padded * heads * size / 8);
    let (heads, length, tiles) = (heads as u32, length as u32, tiles as u32);
    kernels.launch(cx, "flash_marks", grid, &mut args![y, d_y, lse, &mut marks, &mut turns, heads, length, tiles, all_heads])?;
    let grid = Grid::new(all_heads as usize * blocks as usize).threads(threads).shared(shared);
    let scale = geometry.scale() as f32;
    let args =
        &mut args![qkv, d_y, &marks, &mut sums, &mut turns, d_qkv, heads, length, scale, causal, add, all_heads, blocks, group];
    kernels.launch(cx, "flash_backward", grid, args)
}
