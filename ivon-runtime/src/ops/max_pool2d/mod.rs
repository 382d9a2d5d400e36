//! Max pooling over images, channels last.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::pieces2;
use crate::device::cpu::real::Real;
use crate::ops::shared::window::Sliding;
use crate::ops::shared::{check, pool, with_real};
use crate::tensor::Tensor;
use crate::versions;

/// Which tap of its window each output is.
#[derive(Debug)]
pub struct Saved {
    taps: Tensor,
    sliding: Sliding,
    shape: Shape,
}

/// y\[b, i, j, c\] = the largest x\[b, i · stride + u - padding, j · stride + v - padding, c\] over the taps (u, v) that lie in the image, as
/// PyTorch's `max_pool2d`. `x` is \[B, H, W, C\]; `y` is \[B, H', W', C\] with H' = floor((H + 2 padding - kernel) / stride) + 1.
///
/// # Errors
/// If `x` does not have four dimensions, the window is larger than the padded image, or the padding more than half of the kernel.
pub fn forward(cx: &Context, kernel: usize, stride: usize, padding: usize, x: &Tensor) -> Result<Tensor> {
    Ok(forward_saving(cx, kernel, stride, padding, x)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, kernel: usize, stride: usize, padding: usize, x: &Tensor) -> Result<(Tensor, Saved)> {
    let (sliding, shape) = pool::geometry("max_pool2d", cx, [kernel, stride, padding], x)?;
    let mut y = cx.empty(shape)?;
    let mut taps = cx.empty_of(DType::U32, shape)?;
    let _op = cx.op("max_pool2d", || Cost::each(&y, sliding.taps()).reads([x, &taps]).writes(&y, false));
    if cx.cuda().is_some() {
        pool::cuda::max_forward(cx, &sliding, x, &mut y, &mut taps)?;
    } else if !cx.planning() && shape.elements() > 0 {
        let channels = shape.last();
        let row = sliding.out_width * channels;
        with_real!(cx.dtype(), E => {
            let x = x.as_slice::<E>();
            pieces2((y.as_mut_slice::<E>(), row), (taps.as_mut_slice::<u32>(), row), |i, y, taps| {
                largest(&sliding, i * sliding.out_width, channels, x, y, taps);
            });
        });
    }
    Ok((y, Saved { taps, sliding, shape: *x.shape() }))
}

/// `d_x +=` the `d_y` of every window whose largest element it is: of equal ones, the first.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { taps, sliding, shape } = saved;
    check::gradient("max_pool2d", cx, ("d_y", &d_y), *taps.shape())?;
    let Some((d_x, add)) = d_x.target(cx, shape)? else { return Ok(()) };
    let _op = cx.op("max_pool2d", || Cost::each(&d_y, 1).reads([&taps, &d_y]).writes(d_x, add));
    if cx.cuda().is_some() {
        return pool::cuda::max_backward(cx, &sliding, &taps, &d_y, d_x, add);
    }
    if cx.planning() {
        return Ok(());
    }
    with_real!(cx.dtype(), E => {
        let (taps, d_y, d_x) = (taps.as_slice::<u32>(), d_y.as_slice::<E>(), d_x.as_mut_slice::<E>());
        let n = shape.last();
        pool::inputs(&sliding, d_x, n, add, |i, tap, d_x| give_back(tap as u32, &taps[i * n..][..n], &d_y[i * n..][..n], d_x));
    });
    Ok(())
}

/// No tap yet.
const NONE: u32 = u32::MAX;

versions! {
    /// The largest elements and their taps, for the output pixels from `first` on.
    fn largest<{E: Real} {E}>(s: &Sliding, first: usize, channels: usize, x: &[E], y: &mut [E], taps: &mut [u32]) {
        for (j, (y, taps)) in y.chunks_exact_mut(channels).zip(taps.chunks_exact_mut(channels)).enumerate() {
            y.fill(E::of(f64::NEG_INFINITY));
            taps.fill(NONE);
            pool::seen(s, first + j, |pixel, tap| {
                for ((y, t), x) in y.iter_mut().zip(&mut *taps).zip(&x[pixel * channels..][..channels]) {
                    // NaN is the largest, as in PyTorch; of elements that are all -infinity the first is taken.
                    let larger = *x > *y || x.is_nan() || *t == NONE;
                    *y = if larger { *x } else { *y };
                    *t = if larger { tap as u32 } else { *t };
                }
            });
        }
    }
}

versions! {
    /// d_x += d_y where the window took this tap.
    fn give_back<{E: Real} {E}>(tap: u32, taps: &[u32], d_y: &[E], d_x: &mut [E]) {
        for ((d_x, t), d_y) in d_x.iter_mut().zip(taps).zip(d_y) {
            *d_x += if *t == tap { *d_y } else { E::default() };
        }
    }
}
