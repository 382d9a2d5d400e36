//! The arithmetic of IVON, 64 elements at a time, in f32: the same bits on every instruction set.

use crate::noise::{Noise, for_groups};
use crate::optimizers::pass::{Compute, GROUP, load, store};
use crate::versions;

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

#[inline(always)]
fn in_range(precision: f32, weight: f32) -> bool {
    // Not a number compares as false.
    precision > 0.0 && precision < PRECISION_LIMIT && weight.abs() <= f32::MAX
}

/// weights = mean + noise / sqrt(ess · (h + delta)), 64 at a time.
#[inline(always)]
fn sample(noise: &[f32; GROUP], ess: f32, delta: f32, mean: &[f32; GROUP], hessian: &[f32; GROUP]) -> [f32; GROUP] {
    let mut weights = [0.0; GROUP];
    for i in 0..GROUP {
        weights[i] = mean[i] + noise[i] / (ess * (hessian[i] + delta)).sqrt();
    }
    weights
}

versions! {
    /// Draws a sample into `weights`; `start` is the first element's number among all elements.
    pub fn draw<{ E: Compute } { E }>(noise: Noise, ess: f32, delta: f32, start: u64, mean: &[f32], hessian: &[f32], weights: &mut [E]) {
        for_groups(start, mean.len(), #[inline(always)] |group, lane, range| {
            let (m, h) = (load(mean, lane, &range, 0.0), load(hessian, lane, &range, 1.0));
            let theta = sample(&noise.normals(group), ess, delta, &m, &h);
            store(weights, lane, &range, &theta.map(E::of));
        });
    }
}

versions! {
    /// Adds the gradient of one sample, and its part of the Hessian estimate, to the sums, zeroes it, and draws the next sample.
    /// Whether everything stayed in range.
    pub fn accumulate<{ E: Compute, const GRADSQ: bool } { E, GRADSQ }>(c: &Constants, start: u64, part: Part<'_, E>) -> bool {
        let mut good = true;
        for_groups(start, part.gradient.len(), #[inline(always)] |group, lane, range| {
            let gradient = load(part.gradient, lane, &range, E::of(0.0));
            let mut g_sum = load(part.sum_gradient, lane, &range, 0.0);
            let mut p_sum = load(part.sum_product, lane, &range, 0.0);
            let noise = if GRADSQ { [0.0; GROUP] } else { c.now.normals(group) };
            for i in 0..GROUP {
                let g = gradient[i].f32() * c.scale;
                g_sum[i] += g;
                p_sum[i] += if GRADSQ { g * g } else { g * noise[i] };
            }
            let (m, h) = (load(part.mean, lane, &range, 0.0), load(part.hessian, lane, &range, 1.0));
            let theta = sample(&c.next.normals(group), c.ess, c.delta, &m, &h);
            good &= theta.iter().fold(true, |good, theta| good & (theta.abs() <= f32::MAX));
            store(part.sum_gradient, lane, &range, &g_sum);
            store(part.sum_product, lane, &range, &p_sum);
            store(part.weights, lane, &range, &theta.map(E::of));
            part.gradient[range].fill(E::of(0.0));
        });
        good
    }
}

versions! {
    /// The update of the last sample: takes its gradient (and the sums) in, zeroes them, and draws the next step's first sample.
    /// Whether everything stayed in range.
    pub fn update<{ E: Compute, const GRADSQ: bool, const SUMS: bool } { E, GRADSQ, SUMS }>(c: &Constants, start: u64, part: Part<'_, E>) -> bool {
        let mut good = true;
        for_groups(start, part.gradient.len(), #[inline(always)] |group, lane, range| {
            let gradient = load(part.gradient, lane, &range, E::of(0.0));
            let mut mean = load(part.mean, lane, &range, 0.0);
            let mut hessian = load(part.hessian, lane, &range, 1.0);
            let mut momentum = load(part.momentum, lane, &range, 0.0);
            let (mut g_sum, mut p_sum) = ([0.0; GROUP], [0.0; GROUP]);
            if SUMS {
                g_sum = load(part.sum_gradient, lane, &range, 0.0);
                p_sum = load(part.sum_product, lane, &range, 0.0);
                part.sum_gradient[range.clone()].fill(0.0);
                part.sum_product[range.clone()].fill(0.0);
            }
            let noise = if GRADSQ { [0.0; GROUP] } else { c.now.normals(group) };
            for i in 0..GROUP {
                let (mut g, m, h) = (gradient[i].f32() * c.scale, mean[i], hessian[i]);
                let mut product = if GRADSQ { g * g } else { g * noise[i] };
                if SUMS {
                    g = (g_sum[i] + g) * c.share;
                    product = (p_sum[i] + product) * c.share;
                }
                let precise = h + c.delta;
                let estimate = if GRADSQ { c.ess * product } else { product * (c.ess * precise).sqrt() };
                let difference = estimate - h;
                // The Riemannian term keeps h + delta positive. An increment, because (beta2 h + …) in f32 would lose it.
                let h = h + c.gain * (difference + c.correction * (difference * difference) / precise);
                let v = c.keep * momentum[i] + c.take * g;
                let step = (v * c.debias + c.delta * m) / (h + c.delta);
                let step = if step > c.radius { c.radius } else { step };
                let step = if step < -c.radius { -c.radius } else { step };
                momentum[i] = v;
                hessian[i] = h;
                mean[i] = m - c.rate * step;
            }
            let theta = sample(&c.next.normals(group), c.ess, c.delta, &mean, &hessian);
            for i in 0..GROUP {
                good &= in_range(c.ess * (hessian[i] + c.delta), theta[i]);
            }
            store(part.mean, lane, &range, &mean);
            store(part.hessian, lane, &range, &hessian);
            store(part.momentum, lane, &range, &momentum);
            store(part.weights, lane, &range, &theta.map(E::of));
            part.gradient[range].fill(E::of(0.0));
        });
        good
    }
}
