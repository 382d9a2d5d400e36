//! Convolution on AVX-512: implicit matrix products, which read pixels from where they are.
//!
//! * y = patches · weightᵀ: row i of the left operand is the pixels under the window of output pixel i.
//! * d_x: the pixels of x fall into a class for each residue of row and column modulo the strides; those of a class are seen by the same taps, so that they make a product of their own
//!   (one of all pixels for a stride of 1).
//! * d_weight = d_yᵀ · patches, a sum over all pixels.
//!
//! With few channels the taps of a row are one stretch of memory, once the image has its padding at the sides: so a first layer of
//! 7 × 7 × 3 is a window of 7 taps of 21 channels.

//!
//! In bf16, what pixels are read from is rounded first, once: the microkernel broadcasts two neighbouring channels. So an odd number of them, as in most first
//! layers, is multiplied in f32; gradients of weights take pairs of pixels instead, and round while they pack.

use super::Geometry;
use crate::context::Context;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cpu::matmul::Precision;
use crate::device::cpu::matmul::avx512::{
    Bf16, F32, Gather, Indirect, Kernel, Operand, Outer, Pixel, Plus, Range, Rows, Source, Strip, Strips, View, has_bf16,
    is_available, pack_across, round,
};
use crate::device::cpu::parallel::{CHUNK, pieces};
use crate::ops::shared::window::{Axis, Sliding, Window};
use crate::tensor::Tensor;
use half::bf16;

/// True if these kernels are for this machine and this convolution. (Products with `x` itself need no window.)
pub(super) fn applies(cx: &Context, g: &Geometry) -> bool {
    let empty = g.pixels() == 0 || g.outputs == 0 || g.inputs == 0;
    cx.dtype() == DType::F32 && is_available() && g.groups == 1 && !g.is_product() && !empty
}

/// True if products over this number of neighbouring channels are computed in bf16.
fn in_pairs(cx: &Context, channels: usize) -> bool {
    cx.precision() == Precision::Bf16 && has_bf16() && channels.is_multiple_of(2)
}

/// A tensor rounded to bf16, two numbers a lane.
fn rounded(cx: &Context, x: &Tensor) -> Result<Tensor> {
    let mut to = cx.empty_of(DType::Bf16, *x.shape())?;
    if !cx.planning() {
        let from = x.as_slice::<f32>();
        // SAFETY: callers ask `in_pairs` first, which is true only where the machine has the features; the pieces are as long as each other.
        pieces(to.as_mut_slice::<bf16>(), CHUNK, |i, to| unsafe { round(&from[i * CHUNK..][..to.len()], to) });
    }
    Ok(to)
}

/// y = bias + patches · weightᵀ
pub(super) fn forward(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let in_pairs = in_pairs(cx, g.inputs) && !is_folded(g);
    let x = if in_pairs { rounded(cx, x)? } else { padded(cx, g, x)? };
    if cx.planning() {
        return Ok(());
    }
    let (bias, y) = (bias.map(|b| b.as_slice()), y.as_mut_slice());
    match (in_pairs, weight.dtype()) {
        (true, DType::Bf16) => convolve::<Bf16, bf16>(g, lanes(&x), weight.as_slice(), bias, y),
        (true, _) => convolve::<Bf16, f32>(g, lanes(&x), weight.as_slice(), bias, y),
        (false, DType::Bf16) => convolve::<F32, bf16>(g, x.as_slice(), weight.as_slice(), bias, y),
        (false, _) => convolve::<F32, f32>(g, x.as_slice(), weight.as_slice(), bias, y),
    }
    Ok(())
}

/// d_x (+)= weightᵀ · d_y, at the places that patches come from.
pub(super) fn input_gradient(
    cx: &Context,
    g: &Geometry,
    weight: &Tensor,
    d_y: &Tensor,
    d_x: &mut Tensor,
    add: bool,
) -> Result<()> {
    let in_pairs = in_pairs(cx, g.outputs);
    let d_y = if in_pairs { rounded(cx, d_y)? } else { d_y.clone() };
    if cx.planning() {
        return Ok(());
    }
    let d_x = d_x.as_mut_slice();
    match (in_pairs, weight.dtype()) {
        (true, DType::Bf16) => spread::<Bf16, bf16>(g, weight.as_slice(), lanes(&d_y), d_x, add),
        (true, _) => spread::<Bf16, f32>(g, weight.as_slice(), lanes(&d_y), d_x, add),
        (false, DType::Bf16) => spread::<F32, bf16>(g, weight.as_slice(), d_y.as_slice(), d_x, add),
        (false, _) => spread::<F32, f32>(g, weight.as_slice(), d_y.as_slice(), d_x, add),
    }
    Ok(())
}

/// d_weight (+)= d_yᵀ · patches
pub(super) fn weight_gradient(
    cx: &Context,
    g: &Geometry,
    x: &Tensor,
    d_y: &Tensor,
    d_weight: &mut Tensor,
    add: bool,
) -> Result<()> {
    let x = padded(cx, g, x)?;
    if cx.planning() {
        return Ok(());
    }
    let (d_y, d_weight) = (d_y.as_slice::<f32>(), d_weight.as_mut_slice::<f32>());
    let windows = Windows::over(g, x.as_slice(), 1);
    assert_eq!((d_y.len(), d_weight.len()), (g.pixels() * g.outputs, g.outputs * g.patch()));
    let product = Outer {
        rows: g.sliding.batch * g.sliding.out_height,
        width: g.sliding.out_width,
        outputs: g.outputs,
        taps: windows.high * windows.wide,
        channels: windows.channels,
        strips: windows,
        step: g.sliding.window.columns.stride * windows.pixel,
        d_y: d_y.as_ptr(),
        c: d_weight.as_mut_ptr(),
        add,
    };
    // SAFETY: windows point into `x`; the other operands have the sizes that were asserted, and the result is borrowed mutably; `applies`
    // has seen to the features.
    unsafe { product.run(cx.precision()) };
    Ok(())
}

/// The lanes of a tensor of pairs.
fn lanes(x: &Tensor) -> &[f32] {
    let pairs = x.as_slice::<bf16>();
    // SAFETY: two bf16 are as large as a f32, tensors are aligned for any number, and all bits are f32.
    unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), pairs.len() / 2) }
}

/// True if the taps of a row are one stretch of memory.
fn is_folded(g: &Geometry) -> bool {
    let columns = g.sliding.window.columns;
    g.inputs < 16 && columns.dilation == 1 && columns.kernel > 1
}

fn is_padded(g: &Geometry) -> bool {
    is_folded(g) && g.sliding.window.columns.padding != [0, 0]
}

/// [`forward`] over images in lanes of `KN`.
fn convolve<KN: Gather, S: Source>(g: &Geometry, x: &[f32], weight: &[S], bias: Option<&[f32]>, y: &mut [f32]) {
    let windows = Windows::over(g, x, KN::K);
    let product = Indirect {
        rows: g.pixels(),
        columns: g.outputs,
        taps: windows.high * windows.wide,
        channels: windows.channels,
        places: Forward { windows, y: y.as_mut_ptr(), outputs: g.outputs },
        b: View { start: weight.as_ptr(), panel_stride: g.patch(), k_stride: 1 },
        plus: bias.map_or(Plus::Nothing, |bias| Plus::Row(bias.as_ptr())),
    };
    assert_eq!((y.len(), weight.len()), (g.pixels() * g.outputs, g.outputs * g.patch()));
    // SAFETY: windows point into `x`; y and the weights have the geometry's sizes, as asserted, and y is borrowed mutably; `applies` and `in_pairs`
    // have seen to the features.
    unsafe { product.run::<KN>() };
}

/// [`input_gradient`] with d_y in lanes of `KN`.
fn spread<KN: Gather, S: Source>(g: &Geometry, weight: &[S], d_y: &[f32], d_x: &mut [f32], add: bool) {
    let (Window { rows, columns }, outputs) = (g.sliding.window, g.outputs / KN::K);
    assert_eq!((d_y.len(), weight.len()), (g.pixels() * outputs, g.outputs * g.patch()));
    assert_eq!(d_x.len(), g.sliding.batch * g.sliding.height * g.sliding.width * g.inputs);
    let d_x_start = d_x.as_mut_ptr();
    let classes = || {
        let along = |axis: Axis, size| (0..axis.stride).map(move |residue| Class::of(axis, residue, size));
        along(rows, g.sliding.height).flat_map(move |y| along(columns, g.sliding.width).map(move |x| [y, x]))
    };
    if !add && classes().any(|[y, x]| y.taps * x.taps == 0) {
        pieces(d_x, 1 << 16, |_, d_x| d_x.fill(0.0));
    }
    for [y, x] in classes().filter(|[y, x]| y.taps * x.taps * y.count * x.count > 0) {
        let product = Indirect {
            rows: g.sliding.batch * y.count * x.count,
            columns: g.inputs,
            taps: y.taps * x.taps,
            channels: outputs,
            places: Backward { sliding: g.sliding, y, x, d_y: d_y.as_ptr(), d_x: d_x_start, outputs, inputs: g.inputs },
            b: Transposed { weight: weight.as_ptr(), y, x, window: g.sliding.window, outputs: g.outputs, inputs: g.inputs },
            plus: if add { Plus::Content } else { Plus::Nothing },
        };
        // SAFETY: the slices have the geometry's sizes, as asserted; d_x is borrowed mutably, and classes are computed one after the
        // other; `applies` and `in_pairs` have seen to the features.
        unsafe { product.run::<KN>() };
    }
}

/// The images with zeros at the sides, where that is needed.
fn padded(cx: &Context, g: &Geometry, x: &Tensor) -> Result<Tensor> {
    if !is_padded(g) {
        return Ok(x.clone());
    }
    let s = g.sliding;
    let [before, after] = s.window.columns.padding;
    let mut padded = cx.empty([s.batch, s.height, s.width + before + after, g.inputs])?;
    if !cx.planning() {
        let (x, row, [before, after]) = (x.as_slice::<f32>(), s.width * g.inputs, [before, after].map(|side| side * g.inputs));
        pieces(padded.as_mut_slice::<f32>(), before + row + after, |i, to| {
            to[..before].fill(0.0);
            to[before..before + row].copy_from_slice(&x[i * row..][..row]);
            to[before + row..].fill(0.0);
        });
    }
    Ok(padded)
}

/// The windows over images in memory, in lanes.
#[derive(Clone, Copy)]
struct Windows {
    x: *const f32,
    sliding: Sliding,
    /// Taps from top to bottom, and from left to right.
    high: usize,
    wide: usize,
    /// Lanes of a tap.
    channels: usize,
    /// Lanes of a pixel.
    pixel: usize,
    /// Pixels of a row in memory.
    width: usize,
    /// Padding before the first column that is not in memory.
    side: usize,
}

// SAFETY: the pointer is only read through, by a product that runs while the image is borrowed.
unsafe impl Sync for Windows {}

impl Windows {
    /// Over images with `k` channels a lane.
    fn over(g: &Geometry, x: &[f32], k: usize) -> Windows {
        let (sliding, pixel, x) = (g.sliding, g.inputs / k, x.as_ptr());
        let Window { rows, columns: Axis { kernel, padding: [before, after], .. } } = sliding.window;
        let (wide, channels, width, side) = match is_folded(g) {
            true => (1, kernel * pixel, sliding.width + before + after, 0),
            false => (kernel, pixel, sliding.width, before),
        };
        Windows { x, sliding, high: rows.kernel, wide, channels, pixel, width, side }
    }
}

impl Strips for Windows {
    fn strip(&self, tap: usize, row: usize) -> Strip {
        let Sliding { window, out_height, out_width, height, .. } = self.sliding;
        let (image, i) = (row / out_height, row % out_height);
        let (u, v) = (tap / self.wide, tap % self.wide);
        let Window { rows, columns } = window;
        let Some(y) = rows.tap(i, u, height) else { return Strip { first: 0, count: 0, x: self.x } };
        // Pixel j sees j · stride + v · dilation - side, which is inside for j in first..end.
        let offset = v * columns.dilation;
        let first = self.side.saturating_sub(offset).div_ceil(columns.stride);
        let end = (self.width + self.side).saturating_sub(offset).div_ceil(columns.stride).min(out_width);
        let x = (first * columns.stride + offset).wrapping_sub(self.side);
        let place = self.x.wrapping_add(((image * height + y) * self.width).wrapping_add(x).wrapping_mul(self.pixel));
        Strip { first, count: end.saturating_sub(first), x: place }
    }
}

/// Rows of patches to rows of y.
#[derive(Clone, Copy)]
struct Forward {
    windows: Windows,
    y: *mut f32,
    outputs: usize,
}

// SAFETY: the product runs while the image is borrowed and y is borrowed mutably; each row of y is written by the one task that locates it.
unsafe impl Sync for Forward {}

impl Rows for Forward {
    fn grid(&self) -> [usize; 2] {
        [self.windows.sliding.out_height, self.windows.sliding.out_width]
    }

    #[inline(always)]
    fn locate(&self, Pixel { image, row, column }: Pixel, mut input: impl FnMut(usize, *const f32)) -> *mut f32 {
        let w = &self.windows;
        let Sliding { window, out_height, out_width, height, .. } = w.sliding;
        let columns = window.columns;
        for u in 0..w.high {
            let Some(y) = window.rows.tap(row, u, height) else { continue };
            let start = w.x.wrapping_add((image * height + y) * w.width * w.pixel);
            for v in 0..w.wide {
                let x = (column * columns.stride + v * columns.dilation).wrapping_sub(w.side);
                if x < w.width {
                    input(u * w.wide + v, start.wrapping_add(x * w.pixel));
                }
            }
        }
        self.y.wrapping_add(((image * out_height + row) * out_width + column) * self.outputs)
    }
}

/// Along an axis, the pixels at + padding = residue modulo the stride, and the taps that see them: those with tap · dilation = residue.
#[derive(Clone, Copy)]
struct Class {
    /// The first pixel; the next one is a stride further.
    first: usize,
    count: usize,
    /// The first tap, and the distance to the next one.
    tap: usize,
    step: usize,
    taps: usize,
    /// The first tap sees pixel `i` of the class at position `i + start`, the next one at `back` positions less; unless these do not exist.
    start: usize,
    back: usize,
}

impl Class {
    fn of(Axis { kernel, stride, padding: [padding, _], dilation }: Axis, residue: usize, size: usize) -> Class {
        let first = (residue + stride - padding % stride) % stride;
        let is_seen = |tap: &usize| tap * dilation % stride == residue;
        // Taps repeat with a period of at most the stride.
        let period = (1..=stride).find(|p| p * dilation % stride == 0).unwrap_or(stride);
        let tap = (0..kernel.min(period)).find(is_seen);
        let taps = tap.map_or(0, |tap| (kernel - tap).div_ceil(period));
        let tap = tap.unwrap_or(0);
        // Exact: see above. It wraps where the first position is before the image.
        let start = ((first + padding) as isize - (tap * dilation) as isize).div_euclid(stride as isize) as usize;
        let back = period * dilation / stride;
        Class { first, count: size.saturating_sub(first).div_ceil(stride), tap, step: period, taps, start, back }
    }

    /// The position that sees pixel `i` of the class under tap `t` of the class.
    #[inline(always)]
    fn position(&self, i: usize, t: usize, positions: usize) -> Option<usize> {
        let position = i.wrapping_add(self.start).wrapping_sub(t * self.back);
        (position < positions).then_some(position)
    }

    /// The tap of this number, among all.
    fn tap(&self, i: usize) -> usize {
        self.tap + i * self.step
    }
}

/// Rows of d_y to rows of d_x.
#[derive(Clone, Copy)]
struct Backward {
    sliding: Sliding,
    y: Class,
    x: Class,
    d_y: *const f32,
    d_x: *mut f32,
    /// Lanes of a pixel of d_y.
    outputs: usize,
    inputs: usize,
}

// SAFETY: the product runs while d_y is borrowed and d_x is borrowed mutably; each row of d_x is written by the one task that locates it.
unsafe impl Sync for Backward {}

impl Rows for Backward {
    fn grid(&self) -> [usize; 2] {
        [self.y.count, self.x.count]
    }

    #[inline(always)]
    fn locate(&self, Pixel { image, row, column }: Pixel, mut input: impl FnMut(usize, *const f32)) -> *mut f32 {
        let Backward { sliding: s, y, x, .. } = self;
        for u in 0..y.taps {
            let Some(i) = y.position(row, u, s.out_height) else { continue };
            let start = self.d_y.wrapping_add((image * s.out_height + i) * s.out_width * self.outputs);
            for v in 0..x.taps {
                if let Some(j) = x.position(column, v, s.out_width) {
                    input(u * x.taps + v, start.wrapping_add(j * self.outputs));
                }
            }
        }
        let (row, column) = (y.first + row * s.window.rows.stride, x.first + column * s.window.columns.stride);
        self.d_x.wrapping_add(((image * s.height + row) * s.width + column) * self.inputs)
    }
}

/// The weights for the gradient of the input: k runs over (tap of the classes, output channel), panel elements are input channels.
#[derive(Clone, Copy)]
struct Transposed<S> {
    weight: *const S,
    y: Class,
    x: Class,
    window: Window,
    outputs: usize,
    inputs: usize,
}

// SAFETY: the pointer is only read through, by a product that runs while the weights are borrowed.
unsafe impl<S> Sync for Transposed<S> {}

impl<S: Source> Operand for Transposed<S> {
    #[inline(always)]
    unsafe fn pack<KN: Kernel, const W: usize>(self, panels: *mut f32, at: Range, k: Range) {
        // SAFETY: (output, tap, input) are below the sizes of the weights; the rest is what this function requires.
        unsafe {
            pack_across::<KN, S, W>(panels, at.count, k.count, |step, i| {
                let (tap, output) = ((k.start + step) / self.outputs, (k.start + step) % self.outputs);
                let (u, v) = (self.y.tap(tap / self.x.taps), self.x.tap(tap % self.x.taps));
                let row = output * self.window.rows.kernel * self.window.columns.kernel + self.window.number(u, v);
                self.weight.wrapping_add(row * self.inputs + at.start + i)
            });
        }
    }
}
