//! Convolution as matrix products with patches that lie in memory, a few images at a time: for f64, for groups, and for machines
//! without kernels of our own.

use super::Geometry;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cpu::matmul::{Matrix, Onto, Precision, Stored, multiply_as, multiply_onto};
use crate::device::cpu::parallel::pieces;
use crate::device::cpu::real::Real;
use crate::ops::shared::window::Window;
use crate::tensor::Tensor;

/// Elements of patches that are in memory at a time, unless one image has more.
const PATCHES: usize = 1 << 21;

/// Images whose patches are in memory at a time.
fn images(g: &Geometry) -> usize {
    (PATCHES / (g.sliding.positions() * g.patch()).max(1)).clamp(1, g.sliding.batch.max(1))
}

/// Memory for patches; empty where `x` is its own matrix of patches.
pub(super) fn workspace(cx: &Context, g: &Geometry) -> Result<Tensor> {
    cx.empty(if is_direct(g) { [0, 0] } else { [images(g) * g.sliding.positions(), g.patch()] })
}

/// True if `x` is its own matrix of patches.
fn is_direct(g: &Geometry) -> bool {
    g.is_product() && g.groups == 1
}

/// Some images of a group: `count` from `first`.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    count: usize,
    group: usize,
}

fn blocks(g: &Geometry) -> impl Iterator<Item = Block> {
    let (images, batch) = (images(g), g.sliding.batch);
    let starts = (0..batch).step_by(images);
    (0..g.groups).flat_map(move |group| starts.clone().map(move |first| Block { first, count: images.min(batch - first), group }))
}

/// The channels of group `group` of the images from `first` on, `[pixels, group_outputs]`, in a tensor like `y`.
fn channels<'a, E>(g: &Geometry, y: &'a [E], block: Block) -> Matrix<'a, E> {
    let start = block.first * g.sliding.positions() * g.outputs + block.group * g.group_outputs();
    Matrix {
        data: &y[start..],
        rows: block.count * g.sliding.positions(),
        columns: g.group_outputs(),
        row_stride: g.outputs,
        column_stride: 1,
    }
}

/// The weights of a group, `[group_outputs, patch]`.
fn weights<'a, E>(g: &Geometry, weight: &'a [E], group: usize) -> Matrix<'a, E> {
    let size = g.group_outputs() * g.patch();
    Matrix::new(&weight[group * size..][..size], g.group_outputs(), g.patch())
}

/// y = bias + patches · weightᵀ
pub(super) fn forward<E: Real, W: Stored<E>>(
    (precision, g): (Precision, &Geometry),
    x: &[E],
    (weight, bias): (&[W], Option<&[E]>),
    y: &mut [E],
    patches: &mut [E],
) {
    if y.is_empty() {
        return;
    }
    for block in blocks(g) {
        let rows = block.count * g.sliding.positions();
        let onto = bias.map_or(Onto::Nothing, |b| Onto::Row(&b[block.group * g.group_outputs()..][..g.group_outputs()]));
        let patches = unfolded(g, x, block, patches);
        let start = block.first * g.sliding.positions() * g.outputs + block.group * g.group_outputs();
        let weights = weights(g, weight, block.group).transposed();
        multiply_onto(precision, Matrix::new(patches, rows, g.patch()), weights, onto, &mut y[start..], g.outputs);
    }
}

/// d_weight (+)= d_yᵀ · patches
pub(super) fn weight_gradient<E: Real>(
    (precision, g): (Precision, &Geometry),
    (x, d_y): (&[E], &[E]),
    d_weight: &mut [E],
    add: bool,
    patches: &mut [E],
) {
    if d_y.is_empty() {
        if !add {
            d_weight.fill(E::default());
        }
        return;
    }
    let size = g.group_outputs() * g.patch();
    for block in blocks(g) {
        let rows = block.count * g.sliding.positions();
        let patches = unfolded(g, x, block, patches);
        let d_weight = &mut d_weight[block.group * size..][..size];
        let (d_y, patches) = (channels(g, d_y, block), Matrix::new(patches, rows, g.patch()));
        multiply_as(precision, d_y.transposed(), patches, d_weight, g.patch(), add || block.first > 0);
    }
}

/// d_x (+)= d_y · weight, each patch to where it came from.
pub(super) fn input_gradient<E: Real, W: Stored<E>>(
    (precision, g): (Precision, &Geometry),
    (weight, d_y): (&[W], &[E]),
    d_x: &mut [E],
    add: bool,
    patches: &mut [E],
) {
    if is_direct(g) {
        let d_y = Matrix::new(d_y, g.pixels(), g.outputs);
        multiply_as(precision, d_y, weights(g, weight, 0), d_x, g.inputs, add);
        return;
    }
    if !add {
        d_x.fill(E::default());
    }
    if d_y.is_empty() {
        return;
    }
    for block in blocks(g) {
        let rows = block.count * g.sliding.positions();
        multiply_as(precision, channels(g, d_y, block), weights(g, weight, block.group), patches, g.patch(), false);
        fold(g, &patches[..rows * g.patch()], block, d_x);
    }
}

/// The patches of a block, `[pixels, (tap, channel)]`: gathered into memory, or the images themselves.
fn unfolded<'a, E: Real>(g: &Geometry, x: &'a [E], block: Block, patches: &'a mut [E]) -> &'a [E] {
    let s = g.sliding;
    if is_direct(g) {
        return &x[block.first * s.positions() * g.inputs..][..block.count * s.positions() * g.inputs];
    }
    let (n, patch, Window { rows, columns }) = (g.group_inputs(), g.patch(), s.window);
    let patches = &mut patches[..block.count * s.positions() * patch];
    // One row of output pixels a task.
    pieces(patches, s.out_width * patch, |row, patches| {
        let (image, i) = (block.first + row / s.out_height, row % s.out_height);
        for (j, patch) in patches.chunks_exact_mut(patch).enumerate() {
            for (tap, to) in patch.chunks_exact_mut(n).enumerate() {
                let (u, v) = (tap / columns.kernel, tap % columns.kernel);
                match (rows.tap(i, u, s.height), columns.tap(j, v, s.width)) {
                    (Some(y), Some(x_at)) => {
                        let from = ((image * s.height + y) * s.width + x_at) * g.inputs + block.group * n;
                        to.copy_from_slice(&x[from..][..n]);
                    }
                    _ => to.fill(E::default()),
                }
            }
        }
    });
    patches
}

/// Adds the patches of a block to the pixels that they were taken from: each row of pixels gathers what it is in, in the order of the
/// taps, so that threads share nothing.
fn fold<E: Real>(g: &Geometry, patches: &[E], block: Block, d_x: &mut [E]) {
    let s = g.sliding;
    let (n, patch, Window { rows, columns }) = (g.group_inputs(), g.patch(), s.window);
    let image = s.height * s.width * g.inputs;
    let d_x = &mut d_x[block.first * image..][..block.count * image];
    pieces(d_x, s.width * g.inputs, |row, d_x| {
        let (image, y) = (row / s.height, row % s.height);
        for u in 0..rows.kernel {
            let Some(i) = rows.position(y, u, s.out_height) else { continue };
            for j in 0..s.out_width {
                for v in 0..columns.kernel {
                    let Some(x) = columns.tap(j, v, s.width) else { continue };
                    let from = ((image * s.out_height + i) * s.out_width + j) * patch + s.window.number(u, v) * n;
                    let to = &mut d_x[x * g.inputs + block.group * n..][..n];
                    to.iter_mut().zip(&patches[from..][..n]).for_each(|(to, from)| *to += *from);
                }
            }
        }
    });
}
