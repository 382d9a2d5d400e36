//! Average pooling over images, channels last.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::real::Real;
use crate::ops::shared::window::Sliding;
use crate::ops::shared::{check, pool, with_real};
use crate::tensor::Tensor;
use crate::versions;

/// The positions of the windows and the shape. The op is linear, so it saves no tensor.
#[derive(Debug)]
pub struct Saved {
    sliding: Sliding,
    shape: Shape,
}

/// y\[b, i, j, c\] = the sum of x\[b, i · stride + u - padding, j · stride + v - padding, c\] over the taps (u, v) that lie in the image, divided by
/// kernel², as PyTorch's `avg_pool2d`: zeros of the padding count. `x` is \[B, H, W, C\]; `y` is \[B, H', W', C\] with
/// H' = floor((H + 2 padding - kernel) / stride) + 1.
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
    let (sliding, shape) = pool::geometry("avg_pool2d", cx, [kernel, stride, padding], x)?;
    let mut y = cx.empty(shape)?;
    let _op = cx.op("avg_pool2d", || Cost::each(&y, sliding.taps()).reads([x]).writes(&y, false));
    if cx.cuda().is_some() {
        pool::cuda::average_forward(cx, &sliding, x, &mut y)?;
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let (x, channels) = (x.as_slice::<E>(), shape.last());
            pool::outputs(&sliding, y.as_mut_slice::<E>(), channels, |first, y| average(&sliding, first, channels, x, y));
        });
    }
    Ok((y, Saved { sliding, shape: *x.shape() }))
}

/// `d_x +=` the sum of `d_y` over the windows that it is in, divided by kernel².
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { sliding, shape } = saved;
    check::gradient("avg_pool2d", cx, ("d_y", &d_y), sliding.y_shape(shape.last()))?;
    let Some((d_x, add)) = d_x.target(cx, shape)? else { return Ok(()) };
    let _op = cx.op("avg_pool2d", || Cost::each(&d_y, 2 * sliding.taps()).reads([&d_y]).writes(d_x, add));
    if cx.cuda().is_some() {
        return pool::cuda::average_backward(cx, &sliding, &d_y, d_x, add);
    }
    if cx.planning() {
        return Ok(());
    }
    with_real!(cx.dtype(), E => {
        let (d_y, d_x, n) = (d_y.as_slice::<E>(), d_x.as_mut_slice::<E>(), shape.last());
        let share = E::of(1.0 / sliding.taps() as f64);
        pool::inputs(&sliding, d_x, n, add, |i, _, d_x| add_share(share, &d_y[i * n..][..n], d_x));
    });
    Ok(())
}

versions! {
    /// The averages of the output pixels from `first` on.
    fn average<{E: Real} {E}>(s: &Sliding, first: usize, channels: usize, x: &[E], y: &mut [E]) {
        let share = E::of(1.0 / s.taps() as f64);
        for (j, y) in y.chunks_exact_mut(channels).enumerate() {
            y.fill(E::default());
            pool::seen(s, first + j, |pixel, _| {
                y.iter_mut().zip(&x[pixel * channels..][..channels]).for_each(|(y, x)| *y += *x);
            });
            y.iter_mut().for_each(|y| *y *= share);
        }
    }
}

versions! {
    /// d_x += share · d_y
    fn add_share<{E: Real} {E}>(share: E, d_y: &[E], d_x: &mut [E]) {
        d_x.iter_mut().zip(d_y).for_each(|(d_x, d_y)| *d_x += share * *d_y);
    }
}
