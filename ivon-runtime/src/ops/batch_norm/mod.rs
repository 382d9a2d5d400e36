//! Batch norm (Ioffe and Szegedy 2015), channels last, as PyTorch computes it.

mod cpu;
pub(super) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::ops::shared::reduce::sum_rows;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;
use crate::tensor::parameter::Buffer;

/// `x`, `gain`, mean and r = 1 / sqrt(variance + eps) of every channel, and whether they are those of the batch.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    gain: Tensor,
    /// \[2, C\]
    statistics: Tensor,
    of_batch: bool,
    relu: Relu,
}

/// How the backward pass knows what a ReLU let through.
#[derive(Debug)]
enum Relu {
    /// There was none.
    Absent,
    /// It came right after the norm, which is computed again from `x`: less than reading y.
    OfNorm { bias: Option<Tensor> },
    /// A residual was added before it: where y > 0.
    OfSum { y: Tensor },
}

/// Arguments of this op and of [`batch_norm_relu`](super::batch_norm_relu).
pub(super) struct Arguments<'a> {
    /// The op's name.
    pub at: &'static str,
    pub x: &'a Tensor,
    /// The residual that is added before the ReLU.
    pub residual: Option<&'a Tensor>,
    pub relu: bool,
    pub gain: &'a Tensor,
    pub bias: Option<&'a Tensor>,
    pub running_mean: &'a Buffer,
    pub running_variance: &'a Buffer,
    pub momentum: f64,
    pub eps: f64,
}

/// y = gain · (x - mean) · r + bias with r = 1 / sqrt(variance + eps), for every channel of `x` \[.., C\], with `gain` and `bias` \[C\].
///
/// In training mean and variance are those of the batch, over all n leading elements, the variance divided by n; a gradient pass
/// moves the running ones towards them, `running = (1 - momentum) · running + momentum · of the batch`, with the variance divided by
/// n - 1. Each pass of a step does so: every micro-batch and every sample of the posterior. Outside of training mean and variance are
/// the running ones.
///
/// # Errors
/// If the shapes do not fit, `eps` is negative, `momentum` is not in \[0, 1\], the context has no running statistics, or a batch in
/// training has a single element a channel.
#[allow(clippy::too_many_arguments)] // those of the signature
pub fn forward(
    cx: &Context,
    x: &Tensor,
    gain: &Tensor,
    bias: Option<&Tensor>,
    running_mean: &Buffer,
    running_variance: &Buffer,
    momentum: f64,
    eps: f64,
) -> Result<Tensor> {
    Ok(forward_saving(cx, x, gain, bias, running_mean, running_variance, momentum, eps)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments)] // those of the signature
pub fn forward_saving(
    cx: &Context,
    x: &Tensor,
    gain: &Tensor,
    bias: Option<&Tensor>,
    running_mean: &Buffer,
    running_variance: &Buffer,
    momentum: f64,
    eps: f64,
) -> Result<(Tensor, Saved)> {
    let at = "batch_norm";
    normalize(cx, Arguments { at, x, residual: None, relu: false, gain, bias, running_mean, running_variance, momentum, eps })
}

/// Both ops' forward pass.
pub(super) fn normalize(cx: &Context, arguments: Arguments) -> Result<(Tensor, Saved)> {
    let Arguments { at, x, residual, relu, gain, bias, running_mean, running_variance, momentum, eps } = arguments;
    check::float(at, cx, &[("x", x), ("gain", gain)])?;
    check::rank(at, ("x", x.shape()), 1)?;
    let (count, channels, because) = (x.shape().rows(), x.shape().last(), ("x", x.shape()));
    check::shape(at, ("gain", gain.shape()), [channels], because)?;
    if let Some(bias) = bias {
        check::float(at, cx, &[("bias", bias)])?;
        check::shape(at, ("bias", bias.shape()), [channels], because)?;
    }
    if let Some(residual) = residual {
        check::float(at, cx, &[("residual", residual)])?;
        check::shape(at, ("residual", residual.shape()), *x.shape(), because)?;
    }
    check::shape(at, ("running_mean", running_mean.shape()), [channels], because)?;
    check::shape(at, ("running_variance", running_variance.shape()), [channels], because)?;
    check::number(at, "eps", eps, eps >= 0.0 && eps.is_finite(), "a number that is not negative")?;
    check::number(at, "momentum", momentum, (0.0..=1.0).contains(&momentum), "a number from 0 to 1")?;

    let of_batch = cx.training();
    // Sum, and sum of squared differences; then x · a + b.
    let moments = if of_batch { 4 } else { 0 };
    let _op = cx.op("batch_norm", || Cost::each(x, moments + 2).moves((moments / 2 + 2) * x.bytes()));
    let mut statistics = cx.empty_of(cx.dtype().sums(), [2, channels])?;
    if of_batch && count < 2 {
        let message = format!("`x` is {}: in training each channel needs more than one element to have a variance", x.shape());
        return Err(Error::shape(at, message));
    }
    if cx.cuda().is_some() {
        let running = [running_mean, running_variance];
        match of_batch {
            true => cuda::of_batch(cx, x, running, (momentum, eps), &mut statistics)?,
            false => cuda::of_running(cx, running, eps, &mut statistics)?,
        }
        let mut y = cx.empty(*x.shape())?;
        cuda::normalize(cx, (x, residual, relu), &statistics, gain, bias, &mut y)?;
        let relu = Relu::of(relu, residual, bias, &y);
        return Ok((y, Saved { x: x.clone(), gain: gain.clone(), statistics, of_batch, relu }));
    }
    if of_batch {
        let mut partial = cx.empty([cpu::groups(count, channels), 3, channels])?;
        if !cx.planning() {
            with_real!(cx.dtype(), E => {
                cpu::moments::<E>(x.as_slice(), partial.as_mut_slice(), statistics.as_mut_slice());
            });
        }
        drop(partial);
        let unbiased = count as f64 / (count - 1) as f64;
        for (buffer, row, factor) in [(running_mean, 0, 1.0), (running_variance, 1, unbiased)] {
            if let Some(mut running) = cx.update_running(buffer)? {
                with_real!(cx.dtype(), E => {
                    let batch = &statistics.as_slice::<E>()[row * channels..][..channels];
                    cpu::follow(batch, (momentum, factor), running.as_mut_slice());
                });
            }
        }
    } else {
        let (mean, variance) = (cx.running(running_mean)?, cx.running(running_variance)?);
        if !cx.planning() {
            with_real!(cx.dtype(), E => cpu::read::<E>(mean.as_slice(), variance.as_slice(), statistics.as_mut_slice()));
        }
    }
    let mut y = cx.empty(*x.shape())?;
    let mut line = cx.empty([3, channels])?;
    if !cx.planning() {
        with_real!(cx.dtype(), E => {
            cpu::invert::<E>(statistics.as_mut_slice(), eps);
            cpu::line::<E>(statistics.as_slice(), gain.as_slice(), bias.map(|b| b.as_slice()), line.as_mut_slice());
            let (x, line, y) = (x.as_slice(), line.as_slice(), y.as_mut_slice());
            match (relu, residual) {
                (false, _) => cpu::normalize::<E, false>(x, line, y),
                (true, None) => cpu::normalize::<E, true>(x, line, y),
                (true, Some(residual)) => cpu::normalize_add_relu::<E>((x, residual.as_slice()), line, y),
            }
        });
    }
    let relu = Relu::of(relu, residual, bias, &y);
    Ok((y, Saved { x: x.clone(), gain: gain.clone(), statistics, of_batch, relu }))
}

impl Relu {
    fn of(relu: bool, residual: Option<&Tensor>, bias: Option<&Tensor>, y: &Tensor) -> Relu {
        match (relu, residual) {
            (false, _) => Relu::Absent,
            (true, None) => Relu::OfNorm { bias: bias.cloned() },
            (true, Some(_)) => Relu::OfSum { y: y.clone() },
        }
    }
}

/// With x̂ = (x - mean) r: `d_bias +=` the sum of `d_y`, `d_gain +=` that of `d_y x̂`, and
/// `d_x += gain r (d_y - mean(d_y) - x̂ mean(d_y x̂))`; the two means only where those of the batch were used.
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
    differentiate(cx, saved, d_y, [d_x, &mut Adjoint::skip(), d_gain, d_bias])
}

/// Both ops' backward pass.
pub(super) fn differentiate(
    cx: &Context,
    saved: Saved,
    d_y: Tensor,
    [d_x, d_residual, d_gain, d_bias]: [&mut Adjoint; 4],
) -> Result<()> {
    let at = if matches!(saved.relu, Relu::Absent) { "batch_norm" } else { "batch_norm_relu" };
    check::gradient(at, cx, ("d_y", &d_y), *saved.x.shape())?;
    // The sums of d_y and of d_y x̂; then d_x = a · d_y + b · x + c.
    let _op = cx.op("batch_norm", || Cost::each(&d_y, 9).moves(5 * d_y.bytes()));
    if cx.cuda().is_some() {
        return cuda::backward(cx, saved, d_y, [d_x, d_residual, d_gain, d_bias]);
    }
    let Saved { x, gain, statistics, of_batch, relu } = saved;
    let (count, channels) = (x.shape().rows(), x.shape().last());
    let forward_line = match &relu {
        Relu::OfNorm { bias } => {
            let mut line = cx.empty([3, channels])?;
            if !cx.planning() {
                with_real!(cx.dtype(), E => {
                    let bias = bias.as_ref().map(|b| b.as_slice());
                    cpu::line::<E>(statistics.as_slice(), gain.as_slice(), bias, line.as_mut_slice());
                });
            }
            Some(line)
        }
        _ => None,
    };
    // The gradient of the sum before the ReLU replaces d_y, if nothing else reads d_y.
    let mut d_y = match &relu {
        Relu::OfSum { .. } if !d_y.is_unique() => crate::ops::copy(cx, &d_y)?,
        _ => d_y,
    };
    // The sums of d_y and of d_y x̂, over groups of rows and over all.
    let mut partial = cx.empty([cpu::groups(count, channels), 2 * channels])?;
    let mut sums = cx.empty([2, channels])?;
    if !cx.planning() {
        with_real!(cx.dtype(), E => {
            let (x, statistics, partial) = (x.as_slice::<E>(), statistics.as_slice(), partial.as_mut_slice());
            match &relu {
                Relu::OfSum { y } => cpu::mask_and_sum_gradients((x, y.as_slice()), d_y.as_mut_slice(), statistics, partial),
                _ => cpu::sum_gradients((x, d_y.as_slice()), forward_line.as_ref().map(|l| l.as_slice()), statistics, partial),
            }
        });
    }
    sum_rows(cx, &partial, &mut sums, false)?;
    drop(partial);
    for (row, adjoint) in [(0, d_bias), (1, d_gain)] {
        if let Some((target, add)) = adjoint.target(cx, [channels])?
            && !cx.planning()
        {
            with_real!(cx.dtype(), E => cpu::put(&sums.as_slice::<E>()[row * channels..][..channels], target.as_mut_slice(), add));
        }
    }
    if let Relu::OfSum { y } = relu {
        drop(y);
        d_residual.add(cx, d_y.clone())?;
    }
    let mut line = cx.empty([4, channels])?;
    if !cx.planning() {
        let share = if of_batch { 1.0 / count as f64 } else { 0.0 };
        with_real!(cx.dtype(), E => {
            cpu::backward_line::<E>(statistics.as_slice(), gain.as_slice(), sums.as_slice(), share, line.as_mut_slice());
        });
    }
    // The first contribution to d_x replaces d_y, if nothing reads d_y any more.
    if d_x.is_empty() && d_y.is_unique() {
        if !cx.planning() {
            with_real!(cx.dtype(), E => {
                let relu = forward_line.as_ref().map(|l| l.as_slice());
                cpu::differentiate_in_place::<E>(x.as_slice(), relu, line.as_slice(), d_y.as_mut_slice());
            });
        }
        return d_x.add(cx, d_y);
    }
    if let Some((d_x, add)) = d_x.target(cx, *x.shape())?
        && !cx.planning()
    {
        with_real!(cx.dtype(), E => {
            let relu = forward_line.as_ref().map(|l| l.as_slice());
            cpu::differentiate::<E>((x.as_slice(), d_y.as_slice()), relu, line.as_slice(), d_x.as_mut_slice(), add);
        });
    }
    Ok(())
}
