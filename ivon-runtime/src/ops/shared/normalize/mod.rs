//! Normalisation of the last axis, then gain and bias: what layer norm and RMS norm are made of.
//!
//! x̂ = (x - mean) · r with r = 1 / sqrt(variance + eps), and y = gain · x̂ + bias. RMS norm is the same with a mean of 0.

pub mod cuda;

use super::check;
use super::reduce::{sum_of, sum_of2, sum_of3, sum_rows};
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::Result;
use crate::device::cpu::parallel::{pieces, pieces2, rows_a_task};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use crate::versions;

/// The values that the backward pass reads.
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    gain: Tensor,
    /// Mean and r of every row, \[rows, 2\].
    statistics: Tensor,
}

pub fn check(at: &str, cx: &Context, x: &Tensor, gain: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<()> {
    check::float(at, cx, &[("x", x), ("gain", gain)])?;
    check::rank(at, ("x", x.shape()), 1)?;
    let because = ("x", x.shape());
    check::shape(at, ("gain", gain.shape()), [x.shape().last()], because)?;
    if let Some(bias) = bias {
        check::float(at, cx, &[("bias", bias)])?;
        check::shape(at, ("bias", bias.shape()), [x.shape().last()], because)?;
    }
    check::number(at, "eps", eps, eps >= 0.0 && eps.is_finite(), "a number that is not negative")
}

/// The op that subtracts the mean, or not.
fn name(centre: bool) -> &'static str {
    if centre { "layer_norm" } else { "rms_norm" }
}

/// The forward pass; `centre` if the mean is subtracted.
pub fn forward(
    cx: &Context,
    x: &Tensor,
    gain: &Tensor,
    bias: Option<&Tensor>,
    eps: f64,
    centre: bool,
) -> Result<(Tensor, Saved)> {
    let mut y = cx.empty(*x.shape())?;
    let mut statistics = cx.empty_of(cx.dtype().sums(), [x.shape().rows(), 2])?;
    cx.run(name(centre), Forward { x, weights: (gain, bias), y: &mut y, statistics: &mut statistics, eps, centre })?;
    Ok((y, Saved { x: x.clone(), gain: gain.clone(), statistics }))
}

struct Forward<'a> {
    x: &'a Tensor,
    /// Gain and bias.
    weights: (&'a Tensor, Option<&'a Tensor>),
    y: &'a mut Tensor,
    statistics: &'a mut Tensor,
    eps: f64,
    centre: bool,
}

impl Compute for Forward<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.x, if self.centre { 8 } else { 5 }).reads([self.x]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        let (x, width) = (self.x.as_slice::<E>(), self.x.shape().last());
        let (gain, bias) = (self.weights.0.as_slice::<E>(), self.weights.1.map(|b| b.as_slice::<E>()));
        let task = rows_a_task(width);
        let (y, statistics) = (self.y.as_mut_slice::<E>(), self.statistics.as_mut_slice::<E>());
        pieces2((y, task * width.max(1)), (statistics, task * 2), |i, y, statistics| {
            let x = &x[i * task * width..][..y.len()];
            normalize(x, (gain, bias), y, statistics, E::of(self.eps), self.centre);
        });
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::forward(cx, self.x, self.weights, self.y, self.statistics, self.eps, self.centre)
    }
}

versions! {
    fn normalize<{E: Real} {E}>(x: &[E], weights: (&[E], Option<&[E]>), y: &mut [E], statistics: &mut [E], eps: E, centre: bool) {
        let (gain, bias) = weights;
        let count = E::of(gain.len() as f64);
        for ((x, y), statistics) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())).zip(statistics.chunks_exact_mut(2)) {
            let mean = if centre { sum_of(x, |x| x) / count } else { E::default() };
            let variance = sum_of(x, |x| (x - mean) * (x - mean)) / count;
            let r = E::of(1.0) / (variance + eps).sqrt();
            statistics.copy_from_slice(&[mean, r]);
            match bias {
                Some(bias) => {
                    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                        *y = (*x - mean) * r * *gain + *bias;
                    }
                }
                None => {
                    for ((y, x), gain) in y.iter_mut().zip(x).zip(gain) {
                        *y = (*x - mean) * r * *gain;
                    }
                }
            }
        }
    }
}

/// With g = gain · d_y: d_x = r · (g - mean(g) - x̂ · mean(g · x̂)), the mean of g only where the mean of x was subtracted;
/// d_gain = sum over rows of d_y · x̂; d_bias = sum over rows of d_y.
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, centre: bool, [d_x, d_gain, d_bias]: [&mut Adjoint; 3]) -> Result<()> {
    check::gradient(name(centre), cx, ("d_y", &d_y), *saved.x.shape())?;
    let _op = cx.op(name(centre), || {
        let sums = if centre { 9 } else { 7 };
        Cost::each(&d_y, sums + 12).reads([&saved.x, &d_y]).writes(&saved.x, !d_x.is_empty())
    });
    if cx.cuda().is_some() {
        // Kernels compute several of the gradients at once.
        return cuda::backward(cx, saved, d_y, centre, [d_x, d_gain, d_bias]);
    }
    let Saved { x, gain, statistics } = saved;
    let (rows, width) = (x.shape().rows(), x.shape().last());
    if let Some((d_bias, add)) = d_bias.target(cx, [width])? {
        sum_rows(cx, &d_y, d_bias, add)?;
    }
    let operands = Operands { x: &x, d_y: &d_y, statistics: &statistics };
    if let Some((d_gain, add)) = d_gain.target(cx, [width])? {
        // Sums of groups of rows, whose number depends on the shape alone.
        let group = rows_a_task(width).max(rows.div_ceil(64)).max(1);
        let mut sums = cx.empty([rows.div_ceil(group), width])?;
        cx.compute(SumGain { operands, group, sums: &mut sums })?;
        sum_rows(cx, &sums, d_gain, add)?;
    }
    match d_x.target(cx, *x.shape())? {
        Some((d_x, add)) => cx.compute(Differentiate { operands, gain: &gain, d_x, centre, add }),
        None => Ok(()),
    }
}

/// The operands of all gradients.
#[derive(Clone, Copy)]
struct Operands<'a> {
    x: &'a Tensor,
    d_y: &'a Tensor,
    statistics: &'a Tensor,
}

/// Sums of d_y · x̂ over groups of `group` rows.
struct SumGain<'a> {
    operands: Operands<'a>,
    group: usize,
    /// \[groups, width\]
    sums: &'a mut Tensor,
}

impl Compute for SumGain<'_> {
    fn cpu<E: Real>(self) {
        let Operands { x, d_y, statistics } = self.operands;
        let (rows, width, group) = (x.shape().rows(), x.shape().last(), self.group);
        let (x, d_y, statistics) = (x.as_slice::<E>(), d_y.as_slice::<E>(), statistics.as_slice::<E>());
        pieces(self.sums.as_mut_slice::<E>(), width.max(1), |i, sum| {
            let range = i * group * width..((i + 1) * group).min(rows) * width;
            sum_gain(&x[range.clone()], &d_y[range], &statistics[i * group * 2..], sum);
        });
    }
}

struct Differentiate<'a> {
    operands: Operands<'a>,
    gain: &'a Tensor,
    d_x: &'a mut Tensor,
    centre: bool,
    add: bool,
}

impl Compute for Differentiate<'_> {
    fn cpu<E: Real>(self) {
        let Operands { x, d_y, statistics } = self.operands;
        let width = x.shape().last();
        let (x, d_y, statistics) = (x.as_slice::<E>(), d_y.as_slice::<E>(), statistics.as_slice::<E>());
        let (gain, task) = (self.gain.as_slice::<E>(), rows_a_task(width));
        pieces(self.d_x.as_mut_slice::<E>(), task * width.max(1), |i, d_x| {
            let range = i * task * width..i * task * width + d_x.len();
            differentiate((&x[range.clone()], &d_y[range]), &statistics[i * task * 2..], gain, d_x, self.centre, self.add);
        });
    }
}

versions! {
    fn sum_gain<{E: Real} {E}>(x: &[E], d_y: &[E], statistics: &[E], sum: &mut [E]) {
        sum.fill(E::default());
        let width = sum.len();
        for ((x, d_y), statistics) in x.chunks_exact(width).zip(d_y.chunks_exact(width)).zip(statistics.chunks_exact(2)) {
            let (mean, r) = (statistics[0], statistics[1]);
            for ((sum, x), d_y) in sum.iter_mut().zip(x).zip(d_y) {
                *sum += *d_y * ((*x - mean) * r);
            }
        }
    }
}

versions! {
    fn differentiate<{E: Real} {E}>(rows: (&[E], &[E]), statistics: &[E], gain: &[E], d_x: &mut [E], centre: bool, add: bool) {
        let width = gain.len();
        let count = E::of(width as f64);
        let rows = rows.0.chunks_exact(width).zip(rows.1.chunks_exact(width));
        for (((x, d_y), statistics), d_x) in rows.zip(statistics.chunks_exact(2)).zip(d_x.chunks_exact_mut(width)) {
            let (mean, r) = (statistics[0], statistics[1]);
            let mean_g = if centre { sum_of2(d_y, gain, |d_y, gain| d_y * gain) / count } else { E::default() };
            let mean_gx = sum_of3([x, d_y, gain], |x, d_y, gain| d_y * gain * ((x - mean) * r)) / count;
            for (((d_x, x), d_y), gain) in d_x.iter_mut().zip(x).zip(d_y).zip(gain) {
                let value = r * (*d_y * *gain - mean_g - (*x - mean) * r * mean_gx);
                *d_x = if add { *d_x + value } else { value };
            }
        }
    }
}
