//! Samples of a posterior, drawn into a flat buffer on all threads, 64 elements at a time: the same bits on every instruction set.

use crate::context::flat::Layout;
use crate::posterior::pass::{Compute, GROUP, cut, for_parts};
use crate::tensor::noise::Noise;
use crate::versions;

/// Group `[i; 64]` of a buffer.
pub(crate) type Group<E> = [E; GROUP];

/// The distribution of a sample around the mean.
#[derive(Clone, Copy)]
pub(crate) struct Spread<'a> {
    pub noise: Noise,
    pub ess: f64,
    pub hessian: &'a [f32],
    /// Weight decay of each parameter.
    pub decays: &'a [f64],
}

/// Puts a sample, or without a spread the mean, into the weights.
pub(crate) fn draw<E: Compute>(layout: &Layout, spread: Option<Spread>, mean: &[f32], weights: &mut [E]) {
    let hessian = spread.map_or(&[][..], |spread| spread.hessian);
    for_parts(layout, ([mean, hessian], weights), |i, start, ([mean, hessian], weights)| {
        match spread.filter(|_| !layout.entries()[i].parameter.frozen()) {
            Some(s) => draw_part(s.noise, s.ess, s.decays[i] as f32, start, mean, hessian, weights),
            None => weights.iter_mut().zip(mean).for_each(|(w, m)| *w = E::of(*m)),
        }
    });
}

/// 1 / ess
pub(crate) fn temperature(ess: f64) -> f32 {
    (1.0 / ess) as f32
}

/// mean + sigma · noise with sigma² = 1 / (h + delta) · 1 / ess. The same operations wherever a sample is drawn, so that one that is drawn
/// again has the same bits.
#[inline(always)]
pub(crate) fn theta<E: Compute>(mean: f32, noise: f32, inverse: f32, temperature: f32) -> E {
    E::of(mean + noise * (inverse * temperature).sqrt())
}

/// [`theta`] for a whole group.
#[inline(always)]
pub(crate) fn sample<E: Compute>(
    noise: &Group<f32>,
    temperature: f32,
    delta: f32,
    mean: &Group<f32>,
    hessian: &Group<f32>,
    weights: &mut Group<E>,
) {
    for i in 0..GROUP {
        weights[i] = theta(mean[i], noise[i], 1.0 / (hessian[i] + delta), temperature);
    }
}

/// Draws a sample into `weights`; `start` is the first element's number among all elements.
fn draw_part<E: Compute>(noise: Noise, ess: f64, delta: f32, start: u64, mean: &[f32], hessian: &[f32], weights: &mut [E]) {
    let temperature = temperature(ess);
    cut(start, mean.len(), |group, lane, range| {
        let count = range.len();
        if count.is_multiple_of(GROUP) {
            draw_groups(noise, temperature, delta, group, &mean[range.clone()], &hessian[range.clone()], &mut weights[range]);
        } else {
            let (m, h) = (pad(&mean[range.clone()], lane, 0.0), pad(&hessian[range.clone()], lane, 1.0));
            let mut padded = [E::of(0.0); GROUP];
            draw_groups(noise, temperature, delta, group, &m, &h, &mut padded);
            weights[range].copy_from_slice(&padded[lane..lane + count]);
        }
    });
}

versions! {
    fn draw_groups<{ E: Compute } { E }>(noise: Noise, temperature: f32, delta: f32, first: u64, mean: &[f32], hessian: &[f32], weights: &mut [E]) {
        let groups = mean.as_chunks().0.chunks(2).zip(hessian.as_chunks().0.chunks(2)).zip(weights.as_chunks_mut().0.chunks_mut(2));
        for (i, ((mean, hessian), weights)) in groups.enumerate() {
            let group = first + 2 * i as u64;
            let normals = noise.two::<Set>(group, &noise, group + 1);
            for (((noise, mean), hessian), weights) in normals.iter().zip(mean).zip(hessian).zip(weights) {
                sample(noise, temperature, delta, mean, hessian, weights);
            }
        }
    }
}

/// A part of a group, filled up to a whole one.
pub(crate) fn pad<E: Copy>(part: &[E], lane: usize, with: E) -> Group<E> {
    let mut group = [with; GROUP];
    group[lane..lane + part.len()].copy_from_slice(part);
    group
}
