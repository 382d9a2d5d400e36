//! Filter response norm, with its thresholded linear unit (Singh and Krishnan 2020).

#[cfg(test)]
mod tests;

use super::channels::{self, Images, sum_images, sum_places};
use super::parallel::{pieces, pieces2};
use super::with_real;
use crate::{Adjoint, Context, Real, Result, Tensor, versions};

/// What the backward pass reads.
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
    let mut r = cx.empty([images, channels])?;
    if !cx.planning() && elements > 0 {
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

/// With x̂ = x r, r = 1 / sqrt(nu² + eps), z = gain x̂ + bias, and d_z = d_y where z > threshold, else 0:
/// `d_x += gain r (d_z - x̂ mean(d_z x̂))`, the mean over places; `d_gain +=` the sum of `d_z x̂` over images and places, `d_bias +=` that of `d_z`,
/// `d_threshold +=` that of `d_y - d_z`.
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
    let Images { images, channels, elements } = Images::of(x.shape());
    // Sums over places of d_z x̂, d_z and d_y - d_z.
    let mut sums = cx.empty([images, 3, channels])?;
    if !cx.planning() && elements > 0 {
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

versions! {
    /// One image.
    fn normalize<{E: Real} {E}>(x: &[E], weights: [&[E]; 2], threshold: Option<&[E]>, y: &mut [E], r: &mut [E], eps: E) {
        let [gain, bias] = weights;
        let (channels, places) = (gain.len(), E::of((x.len() / gain.len()) as f64));
        sum_places([x], r, |[x], _| x * x);
        r.iter_mut().for_each(|r| *r = E::of(1.0) / (*r / places + eps).sqrt());
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                y[c] = x[c] * r[c] * gain[c] + bias[c];
            }
            if let Some(threshold) = threshold {
                for c in 0..channels {
                    y[c] = y[c].max(threshold[c]);
                }
            }
        }
    }
}

/// 1 where the unit lets z = gain · x̂ + bias through, else 0. Computed as in the forward pass, so that both decide alike.
#[inline(always)]
fn passes<E: Real>(x: E, c: usize, r: &[E], [gain, bias]: [&[E]; 2], threshold: Option<&[E]>) -> E {
    threshold.map_or(E::of(1.0), |threshold| (x * r[c] * gain[c] + bias[c]).greater(threshold[c]))
}

versions! {
    /// Of one image, the sums over places of d_z x̂, d_z and d_y - d_z.
    fn sum<{E: Real} {E}>(rows: (&[E], &[E]), r: &[E], weights: [&[E]; 2], threshold: Option<&[E]>, sums: &mut [E]) {
        let (x, d_y) = rows;
        let channels = r.len();
        let (d_gain, rest) = sums.split_at_mut(channels);
        let (d_bias, d_threshold) = rest.split_at_mut(channels);
        sum_places([x, d_y], d_gain, |[x, d_y], c| passes(x, c, r, weights, threshold) * d_y * (x * r[c]));
        sum_places([x, d_y], d_bias, |[x, d_y], c| passes(x, c, r, weights, threshold) * d_y);
        sum_places([x, d_y], d_threshold, |[x, d_y], c| (E::of(1.0) - passes(x, c, r, weights, threshold)) * d_y);
    }
}

versions! {
    /// One image. `of_image` holds r, and the sum over places of d_z x̂.
    fn differentiate<{E: Real} {E}>(
        rows: (&[E], &[E]),
        of_image: [&[E]; 2],
        weights: [&[E]; 2],
        threshold: Option<&[E]>,
        d_x: &mut [E],
        add: bool,
    ) {
        let ((x, d_y), [r, sum], [gain, _]) = (rows, of_image, weights);
        let channels = gain.len();
        let places = E::of((x.len() / channels) as f64);
        let rows = x.chunks_exact(channels).zip(d_y.chunks_exact(channels));
        for ((x, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let d_z = passes(x[c], c, r, weights, threshold) * d_y[c];
                let value = gain[c] * r[c] * (d_z - x[c] * r[c] * (sum[c] / places));
                d_x[c] = if add { d_x[c] + value } else { value };
            }
        }
    }
}
