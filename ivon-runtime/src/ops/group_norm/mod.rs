//! Group norm (Wu and He 2018).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
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
    groups: usize,
    x: Tensor,
    gain: Tensor,
    /// Mean and 1 / standard deviation of every image's channels, those of their group, \[B, 2, C\].
    statistics: Tensor,
}

/// y = gain · (x - mean) / sqrt(variance + eps) + bias, mean and variance over the places of one image and the channels of one group.
///
/// `x` is \[B, H, W, C\], `gain` and `bias` \[C\]; channels that follow each other form a group, of C / `groups`.
///
/// # Errors
/// If the shapes do not fit, the groups do not divide the channels, or `eps` is negative.
pub fn forward(cx: &Context, groups: usize, x: &Tensor, gain: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, groups, x, gain, bias, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(
    cx: &Context,
    groups: usize,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<(Tensor, Saved)> {
    channels::check("group_norm", cx, x, &[("gain", Some(gain)), ("bias", Some(bias))], eps)?;
    let Images { images, channels, elements } = Images::of(x.shape());
    if groups == 0 || !channels.is_multiple_of(groups) {
        let message = format!("`x` is {}: {groups} groups do not divide its {channels} channels evenly", x.shape());
        return Err(Error::shape("group_norm", message));
    }
    let mut y = cx.empty(*x.shape())?;
    let mut statistics = cx.empty_of(cx.dtype().sums(), [images, 2, channels])?;
    let _op = cx.op("group_norm", || Cost::each(x, 8).reads([x]).writes(&y, false));
    if cx.cuda().is_some() {
        channels::cuda::group_forward(cx, groups, [x, gain, bias], (&mut y, &mut statistics), eps)?;
    } else if !cx.planning() && elements > 0 {
        with_real!(cx.dtype(), E => {
            let (x, weights) = (x.as_slice::<E>(), [gain.as_slice::<E>(), bias.as_slice::<E>()]);
            pieces2((y.as_mut_slice::<E>(), elements), (statistics.as_mut_slice::<E>(), 2 * channels), |i, y, statistics| {
                normalize(&x[i * elements..][..elements], weights, y, statistics, groups, E::of(eps));
            });
        });
    }
    Ok((y, Saved { groups, x: x.clone(), gain: gain.clone(), statistics }))
}

/// With x̂ = (x - mean) r, r = 1 / sqrt(variance + eps), g = gain · d_y and means over the places and channels of a group:
/// `d_x += r (g - mean(g) - x̂ mean(g x̂))`, `d_gain +=` the sum of `d_y x̂` over images and places, `d_bias +=` that of `d_y`.
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
) -> Result<()> {
    let Saved { groups, x, gain, statistics } = saved;
    check::gradient("group_norm", cx, ("d_y", &d_y), *x.shape())?;
    let Images { images, channels, elements } = Images::of(x.shape());
    let _op = cx.op("group_norm", || Cost::each(&d_y, 21).reads([&x, &d_y]).writes(&x, !d_x.is_empty()));
    // Sums over places of d_y x̂ and of d_y.
    let mut sums = cx.empty_of(cx.dtype().sums(), [images, 2, channels])?;
    if cx.cuda().is_some() {
        channels::cuda::group_sums(cx, [&x, &d_y, &statistics], &mut sums)?;
    } else if !cx.planning() && elements > 0 {
        with_real!(cx.dtype(), E => {
            let (x, d_y, statistics) = (x.as_slice::<E>(), d_y.as_slice::<E>(), statistics.as_slice::<E>());
            pieces(sums.as_mut_slice::<E>(), 2 * channels, |i, sums| {
                let range = i * elements..(i + 1) * elements;
                sum(&x[range.clone()], &d_y[range], &statistics[i * 2 * channels..][..2 * channels], sums);
            });
        });
    }
    sum_images(cx, &sums, 0, d_gain)?;
    sum_images(cx, &sums, 1, d_bias)?;
    let Some((d_x, add)) = d_x.target(cx, *x.shape())? else { return Ok(()) };
    if cx.cuda().is_some() {
        channels::cuda::group_input(cx, groups, [&x, &d_y, &statistics, &sums, &gain], d_x, add)?;
    } else if !cx.planning() && elements > 0 {
        with_real!(cx.dtype(), E => {
            let (x, d_y, statistics, gain) = (x.as_slice::<E>(), d_y.as_slice::<E>(), statistics.as_slice::<E>(), gain.as_slice::<E>());
            pieces2((d_x.as_mut_slice::<E>(), elements), (sums.as_mut_slice::<E>(), 2 * channels), |i, d_x, sums| {
                let range = i * elements..(i + 1) * elements;
                let of_image = (&statistics[i * 2 * channels..][..2 * channels], sums);
                differentiate((&x[range.clone()], &d_y[range]), of_image, gain, d_x, groups, add);
            });
        });
    }
    Ok(())
}

/// Replaces the sums of channels over `places` by the means of their groups.
#[inline(always)]
fn average<E: Real>(sums: &mut [E], groups: usize, places: usize) {
    for group in sums.chunks_exact_mut(sums.len() / groups) {
        let mean = group.iter().copied().sum::<E>() / E::of((group.len() * places) as f64);
        group.fill(mean);
    }
}

versions! {
    /// One image.
    fn normalize<{E: Real} {E}>(x: &[E], weights: [&[E]; 2], y: &mut [E], statistics: &mut [E], groups: usize, eps: E) {
        let channels = statistics.len() / 2;
        let places = x.len() / channels;
        // Slices of one length: the compiler then sees that no index is out of bounds, and vectorises.
        let [gain, bias] = weights.map(|w| &w[..channels]);
        let (mean, r) = statistics.split_at_mut(channels);
        let r = &mut r[..channels];
        sum_places([x], mean, |[x], _| x);
        average(mean, groups, places);
        sum_places([x], r, |[x], c| (x - mean[c]) * (x - mean[c]));
        average(r, groups, places);
        r.iter_mut().for_each(|r| *r = E::of(1.0) / (*r + eps).sqrt());
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                y[c] = (x[c] - mean[c]) * r[c] * gain[c] + bias[c];
            }
        }
    }
}

versions! {
    /// Computes the sums over the places of one image of d_y x̂ and of d_y.
    fn sum<{E: Real} {E}>(x: &[E], d_y: &[E], statistics: &[E], sums: &mut [E]) {
        let channels = sums.len() / 2;
        let (mean, r) = (&statistics[..channels], &statistics[channels..2 * channels]);
        let (d_gain, d_bias) = sums.split_at_mut(channels);
        sum_places([x, d_y], d_gain, |[x, d_y], c| d_y * ((x - mean[c]) * r[c]));
        sum_places([d_y], d_bias, |[d_y], _| d_y);
    }
}

versions! {
    /// One image. `of_image` holds its statistics, and the sums over places, which become mean(g x̂) and mean(g).
    fn differentiate<{E: Real} {E}>(rows: (&[E], &[E]), of_image: (&[E], &mut [E]), gain: &[E], d_x: &mut [E], groups: usize, add: bool) {
        let (x, d_y) = rows;
        let (channels, places) = (gain.len(), x.len() / gain.len());
        let (mean, r) = (&of_image.0[..channels], &of_image.0[channels..2 * channels]);
        let (mean_gx, mean_g) = of_image.1.split_at_mut(channels);
        let mean_g = &mut mean_g[..channels];
        for means in [&mut *mean_gx, &mut *mean_g] {
            means.iter_mut().zip(gain).for_each(|(sum, gain)| *sum *= *gain);
            average(means, groups, places);
        }
        let rows = x.chunks_exact(channels).zip(d_y.chunks_exact(channels));
        for ((x, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let value = r[c] * (d_y[c] * gain[c] - mean_g[c] - (x[c] - mean[c]) * r[c] * mean_gx[c]);
                d_x[c] = if add { d_x[c] + value } else { value };
            }
        }
    }
}
