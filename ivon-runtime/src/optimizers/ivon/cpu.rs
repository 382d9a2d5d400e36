//! IVON's passes over the flat buffers on the CPU, on all threads.

use super::kernel::{self, Constants, Part};
use super::{HessianEstimate, Ivon, IvonConfig};
use crate::context::flat::Layout;
use crate::posterior::draw::{Spread, draw};
use crate::posterior::pass::{Compute, for_parts, update_parts};
use crate::tensor::noise::Noise;
use std::sync::{Mutex, PoisonError};

impl Ivon {
    pub(super) fn draw_as<E: Compute>(&mut self, noise: Option<Noise>) {
        let Ivon { driver, config, .. } = self;
        let (layout, decays) = (driver.state.layout().clone(), driver.state.decays.clone());
        let (buffers, weights, _) = driver.state.parts_mut();
        let (mean, hessian) = (buffers[0].1.as_slice::<f32>(), buffers[1].1.as_slice::<f32>());
        let spread = noise.map(|noise| Spread { noise, ess: config.ess, hessian: &hessian, decays: &decays });
        draw(&layout, spread, &mean, &mut weights.as_mut_slice::<E>());
    }

    /// One pass over memory: takes the gradient of sample `sample` in, zeroes it, and draws the next sample. Whether everything stayed in range.
    pub(super) fn pass<E: Compute>(&mut self, lr: f64, sample: usize, scale: f32) -> bool {
        let (step, last) = (self.driver.state.step() + 1, sample + 1 == self.samples);
        let now = self.noise(step, sample as u32);
        let next = if last { self.noise(step + 1, 0) } else { self.noise(step, sample as u32 + 1) };
        let common = self.constants(scale, now, next);
        let Ivon { driver, config, sums, .. } = self;
        let (several, gradsq) = (sums.is_some(), config.estimate == HessianEstimate::GradSq);
        let (layout, decays) = (driver.state.layout().clone(), driver.state.decays.clone());
        let (buffers, weights, gradient) = driver.state.parts_mut();
        let decays = &decays[..];
        let [(_, mean), (_, hessian), (_, momentum)] = buffers else { return false };
        let mut sums = sums.as_mut().map(|(g, p)| (g.as_mut_slice::<f32>(), p.as_mut_slice::<f32>()));
        let (sum_gradient, sum_product) = sums.as_mut().map(|(g, p)| (&mut **g, &mut **p)).unwrap_or_default();
        let part = Part {
            mean: &mut mean.as_mut_slice(),
            hessian: &mut hessian.as_mut_slice(),
            momentum: &mut momentum.as_mut_slice(),
            weights: &mut weights.as_mut_slice::<E>(),
            gradient: &mut gradient.as_mut_slice::<E::Gradient>(),
            sum_gradient,
            sum_product,
        };
        update_parts(&layout, part, |i, start, part| {
            let delta = decays[i];
            let rate = if config.rescale_lr { lr * (config.hess_init + delta) } else { lr };
            let constants = Constants { delta: delta as f32, rate: rate as f32, ..common };
            match (last, several, gradsq) {
                (true, false, false) => kernel::update::<E, false, false>(&constants, start, part),
                (true, false, true) => kernel::update::<E, true, false>(&constants, start, part),
                (true, true, false) => kernel::update::<E, false, true>(&constants, start, part),
                (true, true, true) => kernel::update::<E, true, true>(&constants, start, part),
                (false, _, false) => kernel::accumulate::<E, false>(&constants, start, part),
                (false, _, true) => kernel::accumulate::<E, true>(&constants, start, part),
            }
        })
    }
}

/// The smallest and the largest h and the sum of sigma, of all that is not frozen.
pub(super) fn statistics(layout: &Layout, hessian: &[f32], config: &IvonConfig, decays: &[f64]) -> (f32, f32, f64) {
    // For every part: its position, the smallest and largest h, and the sum of sigma.
    let found = Mutex::new(vec![]);
    for_parts(layout, hessian, |i, start, h| {
        if layout.entries()[i].parameter.frozen() {
            return;
        }
        let (mut min, mut max, mut sum) = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
        for h in h {
            (min, max) = (min.min(*h), max.max(*h));
            sum += 1.0 / (config.ess * (*h as f64 + decays[i])).sqrt();
        }
        found.lock().unwrap_or_else(PoisonError::into_inner).push((start, min, max, sum));
    });
    // Added up in order, so that the sum does not depend on the number of threads.
    let mut parts = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    parts.sort_unstable_by_key(|part| part.0);
    let none = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
    parts.iter().fold(none, |(min, max, total), part| (min.min(part.1), max.max(part.2), total + part.3))
}
