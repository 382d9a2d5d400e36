//! Dropout (Srivastava et al. 2014).

pub(super) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Context, Stream};
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{CHUNK, pieces};
use crate::device::cpu::real::Real;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;
use crate::tensor::noise::{GROUP, Noise};
use crate::versions;

/// The source of the mask, `None` if nothing was dropped, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    mask: Option<Mask>,
    x: Shape,
}

/// A mask that is drawn again wherever it is needed.
#[derive(Clone, Copy, Debug)]
struct Mask {
    noise: Noise,
    /// An element stays if its random word is not below this.
    threshold: u32,
    /// The factor of the elements that stay.
    scale: f64,
}

/// In training, each element is 0 with probability `rate`, else x / (1 - rate); in evaluation, and with a rate of 0, `x` itself.
///
/// # Errors
/// If `rate` is not in \[0, 1).
pub fn forward(cx: &Context, x: &Tensor, rate: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, x, rate)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, rate: f64) -> Result<(Tensor, Saved)> {
    check::float("dropout", cx, &[("x", x)])?;
    check::number("dropout", "rate", rate, (0.0..1.0).contains(&rate), "a number from 0 to below 1")?;
    // Drawn in any case, so that a rate of 0 leaves the randomness of other calls as it is.
    let Stream { key, counter } = cx.stream();
    if !cx.training() || rate == 0.0 {
        return Ok((x.clone(), Saved { mask: None, x: *x.shape() }));
    }
    let noise = Noise { key, upper: counter };
    let mask = Mask { noise, threshold: (rate * 2f64.powi(32)) as u32, scale: 1.0 / (1.0 - rate) };
    let mut y = cx.empty(*x.shape())?;
    mask.apply(cx, x, &mut y, false)?;
    Ok((y, Saved { mask: Some(mask), x: *x.shape() }))
}

/// `d_x += d_y / (1 - rate)` where x stayed.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient("dropout", cx, ("d_y", &d_y), saved.x)?;
    let Some(mask) = saved.mask else { return d_x.add(cx, d_y) };
    if let Some((d_x, add)) = d_x.target(cx, saved.x)? {
        mask.apply(cx, &d_y, d_x, add)?;
    }
    Ok(())
}

impl Mask {
    /// y = mask · x, or += it.
    fn apply(self, cx: &Context, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
        let _op = cx.op("dropout", || Cost::each(x, 2).reads([x]).writes(y, add));
        if cx.cuda().is_some() {
            return cuda::apply(cx, self, x, y, add);
        }
        if cx.planning() {
            return Ok(());
        }
        with_real!(cx.dtype(), E => {
            let x = x.as_slice::<E>();
            pieces(y.as_mut_slice::<E>(), CHUNK, |i, y| {
                masked(self, i * CHUNK / GROUP, &x[i * CHUNK..][..y.len()], y, add);
            });
        });
        Ok(())
    }
}

versions! {
    /// Element j of the whole uses word j of the stream.
    fn masked<{E: Real} {E}>(mask: Mask, first_group: usize, x: &[E], y: &mut [E], add: bool) {
        let scale = E::of(mask.scale);
        for (group, (x, y)) in x.chunks(GROUP).zip(y.chunks_mut(GROUP)).enumerate() {
            let words = mask.noise.words((first_group + group) as u64);
            for ((word, x), y) in words.iter().zip(x).zip(y) {
                // x - x is 0 but for NaN and infinity, which a mask of 0 does not hide.
                #[allow(clippy::eq_op)]
                let value = if *word >= mask.threshold { *x * scale } else { *x - *x };
                *y = if add { *y + value } else { value };
            }
        }
    }
}
