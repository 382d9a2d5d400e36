//! The arithmetic of IVON, 64 elements at a time, in f32: the same bits on every instruction set.

use crate::device::cpu::simd::Instructions;
use crate::posterior::draw::{Group, pad, sample, theta};
use crate::posterior::pass::{Buffers, Compute, GROUP, cut};
use crate::tensor::noise::Noise;
use crate::versions;

/// An update of a step worked out for one weight decay.
#[derive(Clone, Copy)]
pub struct Constants {
    pub ess: f32,
    /// 1 / ess
    pub temperature: f32,
    pub delta: f32,
    /// beta1
    pub keep: f32,
    /// 1 − beta1
    pub take: f32,
    /// 1 − beta2
    pub gain: f32,
    /// ½ (1 − beta2)
    pub correction: f32,
    /// 1 / (1 − beta1^t), or 1
    pub debias: f32,
    /// lr · (hess_init + delta), or lr
    pub rate: f32,
    pub radius: f32,
    /// The largest |h_hat − h| over h + delta; infinity without a bound.
    pub hessian_bound: f32,
    /// The largest change of the mean over sigma; infinity without a bound.
    pub step_bound: f32,
    /// The factor by which clipping multiplies the gradient.
    pub scale: f32,
    /// `scale` times the weight of the sample in the averages.
    pub weighted: f32,
    /// 1 / the sum of the weights of the S samples
    pub share: f32,
    /// The noise of the sample that the gradient was taken at.
    pub now: Noise,
    /// The noise of the sample to be drawn.
    pub next: Noise,
}

/// A part of one parameter in all buffers; slices of equal length, but for the sums, which are empty with one sample.
pub struct Part<'a, E: Compute> {
    pub mean: &'a mut [f32],
    pub hessian: &'a mut [f32],
    pub momentum: &'a mut [f32],
    pub weights: &'a mut [E],
    pub gradient: &'a mut [E::Gradient],
    pub sum_gradient: &'a mut [f32],
    pub sum_product: &'a mut [f32],
}

/// The largest ess · (h + delta) that makes sense: beyond it sigma is below 1e-15, and a sample is the mean.
pub const PRECISION_LIMIT: f32 = 1e30;

#[inline(always)]
fn in_range(precision: f32, weight: f32) -> bool {
    // Not a number compares as false.
    precision > 0.0 && precision < PRECISION_LIMIT && weight.abs() <= f32::MAX
}

impl<E: Compute> Part<'_, E> {
    /// Calls `kernel` with whole groups only, each with the number of its first one: the ends are filled up in a copy.
    fn in_groups(mut self, start: u64, mut kernel: impl FnMut(u64, Part<E>) -> bool) -> bool {
        let mut good = true;
        cut(start, self.gradient.len(), |group, lane, range| {
            let part = self.first(range.len());
            if range.len().is_multiple_of(GROUP) {
                good &= kernel(group, part);
                return;
            }
            let (mut mean, mut hessian) = (pad(part.mean, lane, 0.0), pad(part.hessian, lane, 1.0));
            let mut momentum = pad(part.momentum, lane, 0.0);
            let (mut weights, mut gradient) =
                (pad(part.weights, lane, E::of(0.0)), pad(part.gradient, lane, E::Gradient::of(0.0)));
            let (mut sum_gradient, mut sum_product) = (pad(part.sum_gradient, lane, 0.0), pad(part.sum_product, lane, 0.0));
            good &= kernel(
                group,
                Part {
                    mean: &mut mean,
                    hessian: &mut hessian,
                    momentum: &mut momentum,
                    weights: &mut weights,
                    gradient: &mut gradient,
                    sum_gradient: &mut sum_gradient,
                    sum_product: &mut sum_product,
                },
            );
            part.mean.copy_from_slice(&mean[lane..lane + part.mean.len()]);
            part.hessian.copy_from_slice(&hessian[lane..lane + part.hessian.len()]);
            part.momentum.copy_from_slice(&momentum[lane..lane + part.momentum.len()]);
            part.weights.copy_from_slice(&weights[lane..lane + part.weights.len()]);
            part.gradient.copy_from_slice(&gradient[lane..lane + part.gradient.len()]);
            part.sum_gradient.copy_from_slice(&sum_gradient[lane..lane + part.sum_gradient.len()]);
            part.sum_product.copy_from_slice(&sum_product[lane..lane + part.sum_product.len()]);
        });
        good
    }
}

impl<E: Compute> Buffers for Part<'_, E> {
    fn first(&mut self, n: usize) -> Self {
        Part {
            mean: self.mean.first(n),
            hessian: self.hessian.first(n),
            momentum: self.momentum.first(n),
            weights: self.weights.first(n),
            gradient: self.gradient.first(n),
            sum_gradient: self.sum_gradient.first(n),
            sum_product: self.sum_product.first(n),
        }
    }
}

/// Adds the gradient of one sample, and its part of the Hessian estimate, to the sums, zeroes it, and draws the next sample.
/// True if everything stayed in range.
pub fn accumulate<E: Compute, const GRADSQ: bool>(c: &Constants, start: u64, part: Part<E>) -> bool {
    part.in_groups(start, |first, part| accumulate_groups::<E, GRADSQ>(c, first, part))
}

versions! {
    fn accumulate_groups<{ E: Compute, const GRADSQ: bool } { E, GRADSQ }>(c: &Constants, first: u64, part: Part<'_, E>) -> bool {
        let mut good = true;
        let groups = part.gradient.as_chunks_mut().0.chunks_mut(2);
        let sums = part.sum_gradient.as_chunks_mut().0.chunks_mut(2).zip(part.sum_product.as_chunks_mut().0.chunks_mut(2));
        let state = part.mean.as_chunks().0.chunks(2).zip(part.hessian.as_chunks().0.chunks(2)).zip(part.weights.as_chunks_mut().0.chunks_mut(2));
        for (i, ((gradient, (g_sum, p_sum)), ((mean, hessian), weights))) in groups.zip(sums).zip(state).enumerate() {
            let group = first + 2 * i as u64;
            let now = noise_now::<E, Set, GRADSQ>(c, group);
            let next = c.next.two::<Set>(group, &c.next, group + 1);
            for i in 0..gradient.len() {
                let factor = factor::<E, GRADSQ>(&now[i], &mean[i], &weights[i]);
                add::<E::Gradient, GRADSQ>(c, &factor, &mut gradient[i], &mut g_sum[i], &mut p_sum[i]);
                sample(&next[i], c.temperature, c.delta, &mean[i], &hessian[i], &mut weights[i]);
                good &= weights[i].iter().fold(true, |good, theta| good & (theta.f32().abs() <= f32::MAX));
            }
        }
        good
    }
}

/// The noise of this sample in two groups, where it is needed.
#[inline(always)]
fn noise_now<E: Compute, Set: Instructions, const GRADSQ: bool>(c: &Constants, group: u64) -> [Group<f32>; 2] {
    if GRADSQ || E::EXACT { [[0.0; GROUP]; 2] } else { c.now.two::<Set>(group, &c.now, group + 1) }
}

/// The factor that turns the gradient of a sample into the Hessian estimate. If the weights hold theta exactly, sigma · noise = theta −
/// mean, which
/// saves drawing the noise again. The nearest bf16 may differ from theta by more than sigma, so in bf16 the factor is the noise.
#[inline(always)]
fn factor<E: Compute, const GRADSQ: bool>(now: &Group<f32>, mean: &Group<f32>, weights: &Group<E>) -> Group<f32> {
    let mut factor = *now;
    if E::EXACT && !GRADSQ {
        for i in 0..GROUP {
            factor[i] = weights[i].f32() - mean[i];
        }
    }
    factor
}

#[inline(always)]
fn add<G: Compute, const GRADSQ: bool>(
    c: &Constants,
    factor: &Group<f32>,
    gradient: &mut Group<G>,
    g_sum: &mut Group<f32>,
    p_sum: &mut Group<f32>,
) {
    for i in 0..GROUP {
        let g = gradient[i].f32();
        let weighted = g * c.weighted;
        g_sum[i] += weighted;
        p_sum[i] += weighted * if GRADSQ { g * c.scale } else { factor[i] };
        gradient[i] = G::of(0.0);
    }
}

/// The update of the last sample: takes its gradient (and the sums) in, zeroes them, and draws the next step's first sample.
/// True if everything stayed in range.
pub fn update<E: Compute, const GRADSQ: bool, const SUMS: bool>(c: &Constants, start: u64, part: Part<E>) -> bool {
    part.in_groups(start, |first, part| update_groups::<E, GRADSQ, SUMS>(c, first, part))
}

versions! {
    fn update_groups<{ E: Compute, const GRADSQ: bool, const SUMS: bool } { E, GRADSQ, SUMS }>(c: &Constants, first: u64, part: Part<'_, E>) -> bool {
        let mut good = true;
        let (mean, hessian) = (part.mean.as_chunks_mut().0, part.hessian.as_chunks_mut().0);
        let (momentum, weights) = (part.momentum.as_chunks_mut().0, part.weights.as_chunks_mut().0);
        let gradient = part.gradient.as_chunks_mut().0;
        let (g_sums, p_sums) = (part.sum_gradient.as_chunks_mut().0, part.sum_product.as_chunks_mut().0);
        let state = mean.chunks_mut(2).zip(hessian.chunks_mut(2)).zip(momentum.chunks_mut(2));
        for (pair, (((mean, hessian), momentum), (weights, gradient))) in state.zip(weights.chunks_mut(2).zip(gradient.chunks_mut(2))).enumerate() {
            let group = first + 2 * pair as u64;
            let now = noise_now::<E, Set, GRADSQ>(c, group);
            let next = c.next.two::<Set>(group, &c.next, group + 1);
            for i in 0..gradient.len() {
                let factor = factor::<E, GRADSQ>(&now[i], &mean[i], &weights[i]);
                let (mut g, mut product) = ([0.0; GROUP], [0.0; GROUP]);
                if SUMS {
                    let (g_sum, p_sum) = (&mut g_sums[2 * pair + i], &mut p_sums[2 * pair + i]);
                    add::<E::Gradient, GRADSQ>(c, &factor, &mut gradient[i], g_sum, p_sum);
                    for l in 0..GROUP {
                        (g[l], product[l]) = (g_sum[l] * c.share, p_sum[l] * c.share);
                        (g_sum[l], p_sum[l]) = (0.0, 0.0);
                    }
                } else {
                    add::<E::Gradient, GRADSQ>(c, &factor, &mut gradient[i], &mut g, &mut product);
                }
                move_group::<E, GRADSQ>(c, &g, &product, &next[i], [&mut mean[i], &mut hessian[i], &mut momentum[i]], &mut weights[i]);
                good &= check(c, &hessian[i], &weights[i]);
            }
        }
        good
    }
}

/// The formulas of the module above for g and the mean of g · [`factor`] (or of g²), and the next sample.
///
/// In stages of a few instructions for all 64 elements, because an element's divisions and roots wait for each other.
#[inline(always)]
fn move_group<E: Compute, const GRADSQ: bool>(
    c: &Constants,
    g: &Group<f32>,
    product: &Group<f32>,
    next: &Group<f32>,
    [mean, hessian, momentum]: [&mut Group<f32>; 3],
    weights: &mut Group<E>,
) {
    let mut difference = [0.0; GROUP];
    for i in 0..GROUP {
        let precision = c.ess * (hessian[i] + c.delta);
        let estimate = match (GRADSQ, E::EXACT) {
            (true, _) => c.ess * product[i],
            (false, true) => product[i] * precision,
            (false, false) => product[i] * precision.sqrt(),
        };
        difference[i] = within(estimate - hessian[i], c.hessian_bound * (hessian[i] + c.delta));
    }
    for i in 0..GROUP {
        let (h, d) = (hessian[i], difference[i]);
        // The Riemannian term keeps h + delta positive. An increment, because (beta2 h + …) in f32 would lose it.
        hessian[i] = h + c.gain * (d + c.correction * (d * d) / (h + c.delta));
    }
    let mut inverse = [0.0; GROUP];
    for i in 0..GROUP {
        inverse[i] = 1.0 / (hessian[i] + c.delta);
    }
    for i in 0..GROUP {
        let v = c.keep * momentum[i] + c.take * g[i];
        let step = (v * c.debias + c.delta * mean[i]) * inverse[i];
        momentum[i] = v;
        let longest = c.step_bound * (inverse[i] * c.temperature).sqrt();
        mean[i] -= within(c.rate * within(step, c.radius), longest);
    }
    for i in 0..GROUP {
        weights[i] = theta(mean[i], next[i], inverse[i], c.temperature);
    }
}

/// `x` cut to at most `bound` in size. Infinity cuts nothing, and what is not a number stays.
#[inline(always)]
fn within(x: f32, bound: f32) -> f32 {
    let x = if x > bound { bound } else { x };
    if x < -bound { -bound } else { x }
}

#[inline(always)]
fn check<E: Compute>(c: &Constants, hessian: &Group<f32>, weights: &Group<E>) -> bool {
    let mut bad = 0u32;
    for i in 0..GROUP {
        bad |= !in_range(c.ess * (hessian[i] + c.delta), weights[i].f32()) as u32;
    }
    bad == 0
}
