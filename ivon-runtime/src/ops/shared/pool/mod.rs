//! The items that max and average pooling share: checks, and which pixels a window sees.

pub(crate) mod cuda;

use super::check;
use super::window::{Sliding, Window};
use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::parallel::pieces;
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;

/// The windows over `x` and the shape of `y`.
///
/// # Errors
/// If `x` is no batch of images, the window does not fit, or a window could lie in the padding alone.
pub(crate) fn geometry(at: &str, cx: &Context, [kernel, stride, padding]: [usize; 3], x: &Tensor) -> Result<(Sliding, Shape)> {
    check::float(at, cx, &[("x", x)])?;
    let sliding = Window::square(kernel, stride, padding, 1).over(at, x.shape())?;
    if padding > kernel / 2 {
        let message =
            format!("a PADDING of {padding} is more than half of the KERNEL of {kernel}: some windows would see no pixel");
        return Err(Error::value(at, message));
    }
    Ok((sliding, sliding.y_shape(x.shape().last())))
}

/// Calls `row(first, y)` for every row of pixels of the output, on all threads: `first` is the number of its first pixel.
pub(crate) fn outputs<T: Send>(s: &Sliding, y: &mut [T], channels: usize, row: impl Fn(usize, &mut [T]) + Sync) {
    if channels > 0 {
        pieces(y, s.out_width * channels, |i, y| row(i * s.out_width, y));
    }
}

/// Calls `seen(x, tap)` for every pixel `x` that output pixel `i` sees, in the order of the taps.
#[inline(always)]
pub(crate) fn seen(s: &Sliding, i: usize, mut seen: impl FnMut(usize, usize)) {
    let (image, i, j) = (i / s.positions(), i / s.out_width % s.out_height, i % s.out_width);
    let Window { rows, columns } = s.window;
    for u in 0..rows.kernel {
        let Some(row) = rows.tap(i, u, s.height) else { continue };
        for v in 0..columns.kernel {
            let Some(column) = columns.tap(j, v, s.width) else { continue };
            seen((image * s.height + row) * s.width + column, s.window.number(u, v));
        }
    }
}

/// Calls `window(i, tap, d_x)` for every pixel `d_x` of the input and every output pixel `i` that sees it under `tap`, on all threads: those of a
/// pixel in the order of the taps, so that a gradient is summed up in the same order everywhere. Without `add` pixels start from zero.
pub(crate) fn inputs<E: Real>(
    s: &Sliding,
    d_x: &mut [E],
    channels: usize,
    add: bool,
    window: impl Fn(usize, usize, &mut [E]) + Sync,
) {
    if channels == 0 {
        return;
    }
    pieces(d_x, s.width * channels, |row, d_x| {
        if !add {
            d_x.fill(E::default());
        }
        let (image, row) = (row / s.height, row % s.height);
        let Window { rows, columns } = s.window;
        for u in 0..rows.kernel {
            let Some(i) = rows.position(row, u, s.out_height) else { continue };
            for (column, d_x) in d_x.chunks_exact_mut(channels).enumerate() {
                for v in 0..columns.kernel {
                    let Some(j) = columns.position(column, v, s.out_width) else { continue };
                    window((image * s.out_height + i) * s.out_width + j, s.window.number(u, v), d_x);
                }
            }
        }
    });
}
