//! Filter response norm, with its thresholded linear unit (Singh and Krishnan 2020).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::device::cpu::parallel::{pieces, pieces2};
use crate::device::cpu::real::Real;
use crate::ops::shared::channels;
use crate::ops::shared::channels::{Images, sum_images, sum_places};
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;
use crate::versions;

/// The values that the backward pass reads.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    gain: Tensor,
    bias: Tensor,
    threshold: Option<Tensor>,
    /// 1 / sqrt(nu² + eps) of every image's channels, \[B, C\].
    r: Tensor,
}

/// y = max(gain · x / sqrt(nu² + eps) + bias, threshold), nu² the mean of x² over the places of one channel of one image (equations 1 to 3).
///
/// `x` is \[B, H, W, C\]; `gain`, `bias` and `threshold` are \[C\]. Without a threshold the unit is left out. Neither mean nor other images of
/// the batch take part.
///
/// # Errors
/// If the shapes do not fit, or `eps` is negative.
pub fn forward(cx: &Context, x: &Tensor, gain: &Tensor, bias: &Tensor, threshold: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, x, gain, bias, threshold, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(
    cx: &Context,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    threshold: Option<&Tensor>,
    eps: f64,
) -> Result<(Tensor, Saved)> {
    let weights = [("gain", Some(gain)), ("bias", Some(bias)), ("threshold", threshold)];
    channels::check("filter_response_norm", cx, x, &weights, eps)?;
    let Images { images, channels, elements } = Images::of(x.shape());
    let mut y = cx.empty(*x.shape())?;
    let mut r = cx.empty_of(cx.dtype().sums(), [images, channels])?;
    let _op = cx.op("filter_response_norm", || Cost::each(x, 6).reads([x]).writes(&y, false));
    if cx.cuda().is_some() {
        channels::cuda::response_forward(cx, [x, gain, bias], threshold, (&mut y, &mut r), eps)?;
    } else if !cx.planning() && elements > 0 {
        with_real!(cx.dtype(), E => {
            let (x, weights) = (x.as_slice::<E>(), [gain.as_slice::<E>(), bias.as_slice::<E>()]);
            let threshold = threshold.map(|t| t.as_slice::<E>());
            pieces2((y.as_mut_slice::<E>(), elements), (r.as_mut_slice::<E>(), channels), |i, y, r| {
                normalize(&x[i * elements..][..elements], weights, threshold, y, r, E::of(eps));
            });
        });
    }
    let saved = Saved { x: x.clone(), gain: gain.clone(), bias: bias.clone(), threshold: threshold.cloned(), r };
    Ok((y, saved))
}

/// With x̂ = x r, r = 1 / sqrt(nu² + eps), z = gain x̂ + bias: d_y goes to z where z > threshold, to the threshold where z < threshold, half to each where
/// both are equal. With d_z the part of z: `d_x += gain r (d_z - x̂ mean(d_z x̂))`, the mean over places; `d_gain +=` the sum of `d_z x̂` over images and
/// places, `d_bias +=` that of `d_z`, `d_threshold +=` that of the threshold's part.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    d_x: &mut Adjoint,
    d_gain: &mut Adjoint,
    d_bias: &mut Adjoint,
    d_threshold: &mut Adjoint,
) -> Result<()> {
    let Saved { x, gain, bias, threshold, r } = saved;
    check::gradient("filter_response_norm", cx, ("d_y", &d_y), *x.shape())?;
    let Images { images, channels, elements } = Images::of(x.shape());
    let _op = cx.op("filter_response_norm", || Cost::each(&d_y, 20).reads([&x, &d_y]).writes(&x, !d_x.is_empty()));
    // Sums over places of d_z x̂, d_z and the threshold's part.
    let mut sums = cx.empty_of(cx.dtype().sums(), [images, 3, channels])?;
    if cx.cuda().is_some() {
        let target = d_x.target(cx, *x.shape())?;
        channels::cuda::response_backward(cx, [&x, &d_y, &r, &gain, &bias], threshold.as_ref(), &mut sums, target)?;
    } else if !cx.planning() && elements > 0 {
        with_real!(cx.dtype(), E => {
            let (x, d_y, r) = (x.as_slice::<E>(), d_y.as_slice::<E>(), r.as_slice::<E>());
            let (weights, threshold) = ([gain.as_slice::<E>(), bias.as_slice::<E>()], threshold.as_ref().map(|t| t.as_slice::<E>()));
            pieces(sums.as_mut_slice::<E>(), 3 * channels, |i, sums| {
                let range = i * elements..(i + 1) * elements;
                sum((&x[range.clone()], &d_y[range]), &r[i * channels..][..channels], weights, threshold, sums);
            });
        });
    }
    sum_images(cx, &sums, 0, d_gain)?;
    sum_images(cx, &sums, 1, d_bias)?;
    sum_images(cx, &sums, 2, d_threshold)?;
    if cx.cuda().is_some() {
        return Ok(());
    }
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())?
        && !cx.planning()
        && elements > 0
    {
        with_real!(cx.dtype(), E => {
            let (x, d_y, r, sums) = (x.as_slice::<E>(), d_y.as_slice::<E>(), r.as_slice::<E>(), sums.as_slice::<E>());
            let (weights, threshold) = ([gain.as_slice::<E>(), bias.as_slice::<E>()], threshold.as_ref().map(|t| t.as_slice::<E>()));
            pieces(d_x.as_mut_slice::<E>(), elements, |i, d_x| {
                let range = i * elements..(i + 1) * elements;
                let of_image = [&r[i * channels..][..channels], &sums[i * 3 * channels..][..channels]];
                differentiate((&x[range.clone()], &d_y[range]), of_image, weights, threshold, d_x, add);
            });
        });
    }
    Ok(())
}

/// The numbers of every channel, in slices of one length: the compiler then sees that no index is out of bounds, and vectorises.
#[derive(Clone, Copy)]
struct Channels<'a, E> {
    gain: &'a [E],
    bias: &'a [E],
    /// Unused without the unit.
    threshold: &'a [E],
}

impl<'a, E: Real> Channels<'a, E> {
    #[inline(always)]
    fn of([gain, bias]: [&'a [E]; 2], threshold: Option<&'a [E]>, count: usize) -> Self {
        Channels { gain: &gain[..count], bias: &bias[..count], threshold: &threshold.unwrap_or(gain)[..count] }
    }

    /// The parts of d_y that z = gain · x̂ + bias and the threshold get; all goes to z without the unit. z is computed as in the forward pass, so that both
    /// decide alike.
    #[inline(always)]
    fn parts<const UNIT: bool>(&self, x: E, r: E, c: usize, d_y: E) -> [E; 2] {
        if !UNIT {
            return [d_y, E::default()];
        }
        let (z, threshold) = (x * r * self.gain[c] + self.bias[c], self.threshold[c]);
        [z.share(threshold, d_y), threshold.share(z, d_y)]
    }
}

versions! {
    /// One image.
    fn normalize<{E: Real} {E}>(x: &[E], weights: [&[E]; 2], threshold: Option<&[E]>, y: &mut [E], r: &mut [E], eps: E) {
        let channels = r.len();
        let Channels { gain, bias, threshold: t } = Channels::of(weights, threshold, channels);
        let places = E::of((x.len() / channels) as f64);
        sum_places([x], r, |[x], _| x * x);
        r.iter_mut().for_each(|r| *r = E::of(1.0) / (*r / places + eps).sqrt());
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                y[c] = x[c] * r[c] * gain[c] + bias[c];
            }
            if threshold.is_some() {
                for c in 0..channels {
                    y[c] = y[c].max(t[c]);
                }
            }
        }
    }
}

/// Computes the sums over the places of one image of d_z x̂, d_z and the threshold's part.
fn sum<E: Real>(rows: (&[E], &[E]), r: &[E], weights: [&[E]; 2], threshold: Option<&[E]>, sums: &mut [E]) {
    match threshold {
        Some(_) => sum_of_image::<E, true>(rows, r, weights, threshold, sums),
        None => sum_of_image::<E, false>(rows, r, weights, threshold, sums),
    }
}

versions! {
    fn sum_of_image<{E: Real, const UNIT: bool} {E, UNIT}>(rows: (&[E], &[E]), r: &[E], weights: [&[E]; 2], threshold: Option<&[E]>, sums: &mut [E]) {
        let channels = r.len();
        let of = Channels::of(weights, threshold, channels);
        sums.fill(E::default());
        let (d_gain, rest) = sums.split_at_mut(channels);
        let (d_bias, rest) = rest.split_at_mut(channels);
        let d_threshold = &mut rest[..channels];
        for (x, d_y) in rows.0.chunks_exact(channels).zip(rows.1.chunks_exact(channels)) {
            for c in 0..channels {
                let [d_z, of_threshold] = of.parts::<UNIT>(x[c], r[c], c, d_y[c]);
                d_gain[c] += d_z * (x[c] * r[c]);
                d_bias[c] += d_z;
                d_threshold[c] += of_threshold;
            }
        }
    }
}

/// One image. `of_image` holds r, and the sum over places of d_z x̂.
fn differentiate<E: Real>(
    rows: (&[E], &[E]),
    of_image: [&[E]; 2],
    weights: [&[E]; 2],
    threshold: Option<&[E]>,
    d_x: &mut [E],
    add: bool,
) {
    match threshold {
        Some(_) => differentiate_image::<E, true>(rows, of_image, weights, threshold, d_x, add),
        None => differentiate_image::<E, false>(rows, of_image, weights, threshold, d_x, add),
    }
}

versions! {
    fn differentiate_image<{E: Real, const UNIT: bool} {E, UNIT}>(
        rows: (&[E], &[E]),
        of_image: [&[E]; 2],
        weights: [&[E]; 2],
        threshold: Option<&[E]>,
        d_x: &mut [E],
        add: bool,
    ) {
        let ((x, d_y), [r, sum]) = (rows, of_image);
        let channels = r.len();
        let (of, sum) = (Channels::of(weights, threshold, channels), &sum[..channels]);
        let places = E::of((x.len() / channels) as f64);
        let rows = x.chunks_exact(channels).zip(d_y.chunks_exact(channels));
        for ((x, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let [d_z, _] = of.parts::<UNIT>(x[c], r[c], c, d_y[c]);
                let value = of.gain[c] * r[c] * (d_z - x[c] * r[c] * (sum[c] / places));
                d_x[c] = if add { d_x[c] + value } else { value };
            }
        }
    }
}
