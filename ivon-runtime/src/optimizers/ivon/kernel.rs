//! The arithmetic of IVON, 64 elements at a time, in f32: the same bits on every instruction set.

use crate::noise::Noise;
use crate::optimizers::pass::{Compute, GROUP, cut};
use crate::versions;
use std::ops::Range;

/// An update of a step worked out for one weight decay.
#[derive(Clone, Copy)]
pub struct Constants {
    pub ess: f32,
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
    /// What clipping multiplies the gradient with.
    pub scale: f32,
    /// 1 / S
    pub share: f32,
    /// The noise of the sample that the gradient was taken at.
    pub now: Noise,
    /// The noise of the sample to be drawn.
    pub next: Noise,
}

/// A part of one parameter in all buffers; slices of equal length, but for the sums, which are empty with one sample.
pub struct Part<'a, E> {
    pub mean: &'a mut [f32],
    pub hessian: &'a mut [f32],
    pub momentum: &'a mut [f32],
    pub weights: &'a mut [E],
    pub gradient: &'a mut [E],
    pub sum_gradient: &'a mut [f32],
    pub sum_product: &'a mut [f32],
}

/// The largest ess · (h + delta) that makes sense: beyond it sigma is below 1e-15, and a sample is the mean.
pub const PRECISION_LIMIT: f32 = 1e30;

/// Group `[i; 64]` of a buffer.
type Group<E> = [E; GROUP];

#[inline(always)]
fn in_range(precision: f32, weight: f32) -> bool {
    // Not a number compares as false.
    precision > 0.0 && precision < PRECISION_LIMIT && weight.abs() <= f32::MAX
}

/// mean + sigma · noise, 64 at a time.
#[inline(always)]
fn sample<E: Compute>(noise: &Group<f32>, ess: f32, delta: f32, mean: &Group<f32>, hessian: &Group<f32>, weights: &mut Group<E>) {
    for i in 0..GROUP {
        weights[i] = E::of(mean[i] + noise[i] / (ess * (hessian[i] + delta)).sqrt());
    }
}

/// Draws a sample into `weights`; `start` is the first element's number among all elements.
pub fn draw<E: Compute>(noise: Noise, ess: f32, delta: f32, start: u64, mean: &[f32], hessian: &[f32], weights: &mut [E]) {
    cut(start, mean.len(), |group, lane, range| {
        let count = range.len();
        if count.is_multiple_of(GROUP) {
            draw_groups(noise, ess, delta, group, &mean[range.clone()], &hessian[range.clone()], &mut weights[range]);
        } else {
            let (m, h) = (pad(&mean[range.clone()], lane, 0.0), pad(&hessian[range.clone()], lane, 1.0));
            let mut padded = [E::of(0.0); GROUP];
            draw_groups(noise, ess, delta, group, &m, &h, &mut padded);
            weights[range].copy_from_slice(&padded[lane..lane + count]);
        }
    });
}

versions! {
    fn draw_groups<{ E: Compute } { E }>(noise: Noise, ess: f32, delta: f32, first: u64, mean: &[f32], hessian: &[f32], weights: &mut [E]) {
        let groups = mean.as_chunks().0.iter().zip(hessian.as_chunks().0).zip(weights.as_chunks_mut().0);
        for (i, ((mean, hessian), weights)) in groups.enumerate() {
            sample(&noise.normals(first + i as u64), ess, delta, mean, hessian, weights);
        }
    }
}

/// A part of a group, filled up to a whole one.
fn pad<E: Copy>(part: &[E], lane: usize, with: E) -> Group<E> {
    let mut group = [with; GROUP];
    group[lane..lane + part.len()].copy_from_slice(part);
    group
}

impl<E: Compute> Part<'_, E> {
    /// Calls `kernel` with whole groups only, each with the number of its first one: the ends are filled up in a copy.
    fn in_groups(mut self, start: u64, mut kernel: impl FnMut(u64, Part<E>) -> bool) -> bool {
        let mut good = true;
        cut(start, self.gradient.len(), |group, lane, range| {
            let part = self.part(&range);
            if range.len().is_multiple_of(GROUP) {
                good &= kernel(group, part);
                return;
            }
            let (mut mean, mut hessian) = (pad(part.mean, lane, 0.0), pad(part.hessian, lane, 1.0));
            let mut momentum = pad(part.momentum, lane, 0.0);
            let (mut weights, mut gradient) = (pad(part.weights, lane, E::of(0.0)), pad(part.gradient, lane, E::of(0.0)));
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

    /// A range of every buffer; of the sums, if there are any.
    fn part(&mut self, range: &Range<usize>) -> Part<'_, E> {
        let sums = if self.sum_gradient.is_empty() { 0..0 } else { range.clone() };
        Part {
            mean: &mut self.mean[range.clone()],
            hessian: &mut self.hessian[range.clone()],
            momentum: &mut self.momentum[range.clone()],
            weights: &mut self.weights[range.clone()],
            gradient: &mut self.gradient[range.clone()],
            sum_gradient: &mut self.sum_gradient[sums.clone()],
            sum_product: &mut self.sum_product[sums],
        }
    }
}

/// Adds the gradient of one sample, and its part of the Hessian estimate, to the sums, zeroes it, and draws the next sample.
/// Whether everything stayed in range.
pub fn accumulate<E: Compute, const GRADSQ: bool>(c: &Constants, start: u64, part: Part<E>) -> bool {
    part.in_groups(start, |first, part| accumulate_groups::<E, GRADSQ>(c, first, part))
}

versions! {
    fn accumulate_groups<{ E: Compute, const GRADSQ: bool } { E, GRADSQ }>(c: &Constants, first: u64, part: Part<'_, E>) -> bool {
        let mut good = true;
        let groups = part.gradient.as_chunks_mut().0.iter_mut().zip(part.sum_gradient.as_chunks_mut().0).zip(part.sum_product.as_chunks_mut().0);
        let state = part.mean.as_chunks().0.iter().zip(part.hessian.as_chunks().0).zip(part.weights.as_chunks_mut().0);
        for (i, (((gradient, g_sum), p_sum), ((mean, hessian), weights))) in groups.zip(state).enumerate() {
            let group = first + i as u64;
            let noise = if GRADSQ { [0.0; GROUP] } else { c.now.normals(group) };
            add::<E, GRADSQ>(c.scale, &noise, gradient, g_sum, p_sum);
            sample(&c.next.normals(group), c.ess, c.delta, mean, hessian, weights);
            good &= weights.iter().fold(true, |good, theta| good & (theta.f32().abs() <= f32::MAX));
        }
        good
    }
}

#[inline(always)]
fn add<E: Compute, const GRADSQ: bool>(
    scale: f32,
    noise: &Group<f32>,
    gradient: &mut Group<E>,
    g_sum: &mut Group<f32>,
    p_sum: &mut Group<f32>,
) {
    for i in 0..GROUP {
        let g = gradient[i].f32() * scale;
        g_sum[i] += g;
        p_sum[i] += if GRADSQ { g * g } else { g * noise[i] };
        gradient[i] = E::of(0.0);
    }
}

/// The update of the last sample: takes its gradient (and the sums) in, zeroes them, and draws the next step's first sample.
/// Whether everything stayed in range.
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
        let groups = mean.iter_mut().zip(hessian).zip(momentum).zip(weights).zip(gradient);
        for (i, ((((mean, hessian), momentum), weights), gradient)) in groups.enumerate() {
            let group = first + i as u64;
            let (mut g, mut product) = ([0.0; GROUP], [0.0; GROUP]);
            let noise = if GRADSQ { [0.0; GROUP] } else { c.now.normals(group) };
            if SUMS {
                add::<E, GRADSQ>(c.scale, &noise, gradient, &mut g_sums[i], &mut p_sums[i]);
                for l in 0..GROUP {
                    (g[l], product[l]) = (g_sums[i][l] * c.share, p_sums[i][l] * c.share);
                    (g_sums[i][l], p_sums[i][l]) = (0.0, 0.0);
                }
            } else {
                add::<E, GRADSQ>(c.scale, &noise, gradient, &mut g, &mut product);
            }
            move_group::<GRADSQ>(c, &g, &product, mean, hessian, momentum);
            sample(&c.next.normals(group), c.ess, c.delta, mean, hessian, weights);
            good &= check(c, hessian, weights);
        }
        good
    }
}

/// The formulas of the module above for g and the mean of g · noise (or of g²).
#[inline(always)]
fn move_group<const GRADSQ: bool>(
    c: &Constants,
    g: &Group<f32>,
    product: &Group<f32>,
    mean: &mut Group<f32>,
    hessian: &mut Group<f32>,
    momentum: &mut Group<f32>,
) {
    for i in 0..GROUP {
        let (m, h) = (mean[i], hessian[i]);
        let precise = h + c.delta;
        let estimate = if GRADSQ { c.ess * product[i] } else { product[i] * (c.ess * precise).sqrt() };
        let difference = estimate - h;
        // The Riemannian term keeps h + delta positive. An increment, because (beta2 h + …) in f32 would lose it.
        let h = h + c.gain * (difference + c.correction * (difference * difference) / precise);
        let v = c.keep * momentum[i] + c.take * g[i];
        let step = (v * c.debias + c.delta * m) / (h + c.delta);
        let step = if step > c.radius { c.radius } else { step };
        let step = if step < -c.radius { -c.radius } else { step };
        momentum[i] = v;
        hessian[i] = h;
        mean[i] = m - c.rate * step;
    }
}

#[inline(always)]
fn check<E: Compute>(c: &Constants, hessian: &Group<f32>, weights: &Group<E>) -> bool {
    let mut bad = 0u32;
    for i in 0..GROUP {
        bad |= !in_range(c.ess * (hessian[i] + c.delta), weights[i].f32()) as u32;
    }
    bad == 0
}
