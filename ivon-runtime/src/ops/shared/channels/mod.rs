//! Pictures as places of channels: what normalisations per image and channel are made of.

pub(crate) mod cuda;

use super::{check, with_real};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;

/// A tensor \[B, H, W, C\] as \[images, places, channels\].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    /// Elements of one image.
    pub(crate) elements: usize,
}

impl Images {
    pub(crate) fn of(x: &Shape) -> Images {
        let channels = x.last();
        Images { images: x[0], channels, elements: x[1] * x[2] * channels }
    }
}

/// `x` is \[B, H, W, C\], and each of the weights that is there \[C\].
pub(crate) fn check(at: &str, cx: &Context, x: &Tensor, weights: &[(&str, Option<&Tensor>)], eps: f64) -> Result<()> {
    check::float(at, cx, &[("x", x)])?;
    check::dimensions(at, ("x", x.shape()), &["B", "H", "W", "C"])?;
    for (name, weight) in weights.iter().filter_map(|(name, weight)| Some((name, (*weight)?))) {
        check::float(at, cx, &[(name, weight)])?;
        check::shape(at, (name, weight.shape()), [x.shape().last()], ("x", x.shape()))?;
    }
    check::number(at, "eps", eps, eps >= 0.0 && eps.is_finite(), "a number that is not negative")
}

/// sums\[c\] = sum over places of map(place, c), in the order of the places.
#[inline(always)]
pub(crate) fn sum_places<E: Real, const N: usize>(rows: [&[E]; N], sums: &mut [E], map: impl Fn([E; N], usize) -> E) {
    sums.fill(E::default());
    let channels = sums.len();
    for start in (0..rows[0].len()).step_by(channels.max(1)) {
        let rows = rows.map(|x| &x[start..start + channels]);
        for (c, sum) in sums.iter_mut().enumerate() {
            *sum += map(rows.map(|x| x[c]), c);
        }
    }
}

/// d += sum over images of part `part` of `sums` \[images, parts, C\].
pub(crate) fn sum_images(cx: &Context, sums: &Tensor, part: usize, d: &mut Adjoint) -> Result<()> {
    let (parts, channels) = (sums.dim(1), sums.dim(2));
    let Some((d, add)) = d.target(cx, [channels])? else { return Ok(()) };
    if cx.cuda().is_some() {
        cuda::sum_images(cx, sums, part, d, add)?;
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let (d, sums) = (d.as_mut_slice::<E>(), sums.as_slice::<E>());
            if !add {
                d.fill(E::default());
            }
            for image in sums.chunks_exact((parts * channels).max(1)) {
                d.iter_mut().zip(&image[part * channels..]).for_each(|(d, sum)| *d += *sum);
            }
        });
    }
    Ok(())
}
