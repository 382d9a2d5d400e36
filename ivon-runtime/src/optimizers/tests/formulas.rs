//! IVON against the formulas of its paper, written down again in plain f64.

use super::*;
use crate::tensor::noise::Noise;

/// One element.
struct Element {
    mean: f64,
    h: f64,
    momentum: f64,
    delta: f64,
    /// How far h may be from where the paper has it because samples are rounded to f32.
    rounding: f64,
}

impl Element {
    /// The update with S samples (noise, gradient), straight from the paper: beta2 · h + …, nothing rearranged.
    ///
    /// The optimizer takes a sample's noise from the sample: (theta - mean) / sigma, where theta is off by up to 2⁻²⁴ |theta|. So g · noise / sigma is off by
    /// up to |g| 2⁻²⁴ |theta| / sigma², at the place the gradient was really taken at.
    fn update(&mut self, c: &IvonConfig, t: i32, lr: f64, samples: &[(f64, f64)]) {
        let n = samples.len() as f64;
        let sigma = 1.0 / (c.ess * (self.h + self.delta)).sqrt();
        let g = samples.iter().map(|(_, g)| g).sum::<f64>() / n;
        let h_hat = match c.estimate {
            HessianEstimate::Price => samples.iter().map(|(noise, g)| g * noise / sigma).sum::<f64>() / n,
            HessianEstimate::GradSq => c.ess * samples.iter().map(|(_, g)| g * g).sum::<f64>() / n,
        };
        if c.estimate == HessianEstimate::Price {
            let off = |(noise, g): &(f64, f64)| g.abs() * (self.mean + sigma * noise).abs() * 0.5f64.powi(24) / sigma.powi(2);
            let off = samples.iter().map(off).sum::<f64>() / n;
            let by_correction = (1.0 - c.beta2) * (self.h - h_hat).abs() / (self.h + self.delta);
            self.rounding = c.beta2 * self.rounding + (1.0 - c.beta2) * (1.0 + by_correction) * off;
        }
        let farthest = c.hessian_bound.unwrap_or(f64::INFINITY) * (self.h + self.delta);
        let h_hat = self.h + (h_hat - self.h).clamp(-farthest, farthest);
        self.momentum = c.beta1 * self.momentum + (1.0 - c.beta1) * g;
        let correction = 0.5 * (1.0 - c.beta2).powi(2) * (self.h - h_hat).powi(2) / (self.h + self.delta);
        self.h = c.beta2 * self.h + (1.0 - c.beta2) * h_hat + correction;
        let debiased = if c.debias { self.momentum / (1.0 - c.beta1.powi(t)) } else { self.momentum };
        let radius = c.clip_radius.unwrap_or(f64::INFINITY);
        let step = ((debiased + self.delta * self.mean) / (self.h + self.delta)).clamp(-radius, radius);
        let rate = if c.rescale_lr { lr * (c.hess_init + self.delta) } else { lr };
        let longest = c.step_bound.map_or(f64::INFINITY, |bound| bound / (c.ess * (self.h + self.delta)).sqrt());
        self.mean -= (rate * step).clamp(-longest, longest);
    }
}

/// Runs `steps` steps and compares every element after each.
fn follow(config: IvonConfig, settings: Settings, steps: i32) {
    let model = Bowl::new(3);
    let grad_clip = settings.grad_clip;
    let seed = settings.seed;
    let parts = settings.micro_batches;
    let mut ivon = Ivon::new(&model, config.clone(), settings).unwrap();
    let seen = Rc::new(RefCell::new(Seen::default()));
    ivon.trace(Some(Box::new(Recorder(seen.clone()))));
    let layout = ivon.state().layout().clone();
    let deltas = match config.prior {
        Prior::WeightDecay => [config.weight_decay, 0.0, 0.0, 0.3],
        Prior::Variance { weights, biases } | Prior::Fitted { weights, biases, .. } => {
            [37.0 / (config.ess * weights), 1.0 / (config.ess * biases), 0.0, 0.3]
        }
    };
    assert_eq!(ivon.weight_decays(), deltas);
    let mean = ivon.state().unpadded("mean");
    let mut elements: Vec<Element> = vec![];
    for (entry, delta) in layout.entries().iter().zip(deltas) {
        let n = entry.parameter.shape().elements();
        let start =
            |i: usize| Element { mean: mean[entry.start + i] as f64, h: config.hess_init, momentum: 0.0, delta, rounding: 0.0 };
        elements.extend((0..n).map(start));
    }
    for t in 1..=steps {
        let lr = 0.1 / t as f64;
        // Micro-batches whose gradients differ: their mean is the whole gradient.
        let share = |part: usize| 1.0 + 0.5 * (part as f64 - (parts as f64 - 1.0) / 2.0);
        ivon.step_in_parts(lr, &mut |cx, part| model.gradient(cx, share(part))).unwrap();
        let seen = seen.borrow();
        assert_eq!((seen.steps, seen.samples.len()), (t as u32, ivon.samples_per_update()));
        let mut exact = vec![vec![0.0; elements.len()]; seen.samples.len()];
        for (s, (noise, gradient)) in seen.samples.iter().enumerate() {
            let mut drawn = vec![0.0; noise.len()];
            Noise::of(seed, t as u32, s as u32).fill_normals(0, &mut drawn);
            assert_eq!(*noise, drawn, "the noise is that of (seed, step, sample)");
            let factor = if config.sample_per == SamplePer::MicroBatch { share(s) } else { 1.0 };
            for entry in layout.entries().iter().filter(|e| !e.parameter.frozen()) {
                for i in 0..entry.parameter.shape().elements() {
                    let e = &elements[entry.start + i];
                    let (a, target) = Bowl::shape_of(entry.parameter.index(), i);
                    let theta = e.mean + noise[entry.start + i] as f64 / (config.ess * (e.h + e.delta)).sqrt();
                    exact[s][entry.start + i] = factor * a * (theta - target);
                }
            }
            let norm = exact[s].iter().map(|g| g * g).sum::<f64>().sqrt();
            let scale = grad_clip.map_or(1.0, |clip| (clip / (norm + 1e-6)).min(1.0));
            exact[s].iter_mut().for_each(|g| *g *= scale);
            for (found, expected) in gradient.iter().zip(&exact[s]) {
                let close = (*found as f64 - expected).abs() < 2e-5 * (1.0 + expected.abs());
                assert!(close, "step {t} sample {s}: gradient {found} where {expected} is expected, {config:?}");
            }
        }
        for entry in layout.entries().iter().filter(|e| !e.parameter.frozen()) {
            for i in entry.start..entry.start + entry.parameter.shape().elements() {
                let samples: Vec<_> = seen.samples.iter().map(|(n, g)| (n[i] as f64, g[i] as f64)).collect();
                elements[i].update(&config, t, lr, &samples);
            }
        }
        let found = ["mean", "hessian", "momentum"].map(|name| ivon.state().unpadded(name));
        for (i, e) in elements.iter().enumerate() {
            // Half a unit in the last place for each step, and a part of the values themselves.
            for (name, found, expected, rounding) in [
                ("mean", found[0][i], e.mean, 0.0),
                ("hessian", found[1][i], e.h, e.rounding),
                ("momentum", found[2][i], e.momentum, 0.0),
            ] {
                let tolerance = 1e-5 * expected.abs() + 1e-6 + rounding;
                let close = (found as f64 - expected).abs() < tolerance;
                assert!(close, "step {t}: {name}[{i}] is {found} where {expected} is expected, {config:?}");
            }
        }
    }
}

#[test]
fn ivon_follows_the_paper_for_every_combination_of_options() {
    for choice in 0..128 {
        let on = |bit: u32| choice >> bit & 1 == 1;
        let config = IvonConfig {
            hess_init: 0.7,
            beta1: 0.8,
            beta2: 0.95,
            weight_decay: 0.05,
            estimate: if on(0) { HessianEstimate::GradSq } else { HessianEstimate::Price },
            samples: if on(1) { 3 } else { 1 },
            clip_radius: on(2).then_some(0.2),
            debias: !on(3),
            rescale_lr: !on(4),
            sample_per: SamplePer::Update,
            ..IvonConfig::new(if on(0) { 50.0 } else { 1000.0 })
        };
        let grad_clip = on(5).then_some(2.0);
        let micro_batches = if on(6) { 4 } else { 1 };
        follow(config, Settings { seed: 9 + choice, micro_batches, grad_clip, ..Settings::default() }, 4);
    }
}

#[test]
fn bounds_and_prior_variances_follow_their_formulas() {
    for choice in 0..32 {
        let on = |bit: u32| choice >> bit & 1 == 1;
        let config = IvonConfig {
            hess_init: 0.7,
            beta2: 0.8,
            prior: if on(0) { Prior::Variance { weights: 0.5, biases: 0.1 } } else { Prior::WeightDecay },
            hessian_bound: on(1).then_some(0.5),
            step_bound: on(2).then_some(0.2),
            samples: if on(3) { 2 } else { 1 },
            estimate: if on(4) { HessianEstimate::GradSq } else { HessianEstimate::Price },
            ..IvonConfig::new(200.0)
        };
        follow(config, Settings { seed: 9 + choice, ..Settings::default() }, 4);
    }
}

#[test]
fn bounds_hold_in_every_step() {
    let model = Bowl::new(3);
    let config = IvonConfig { beta2: 0.5, hessian_bound: Some(0.25), step_bound: Some(0.125), ..IvonConfig::new(50.0) };
    let mut ivon = Ivon::new(&model, config, Settings::default()).unwrap();
    let (mut at_hessian_bound, mut at_step_bound) = (0, 0);
    for _ in 0..20 {
        let before = (ivon.state().unpadded("mean"), ivon.state().unpadded("hessian"));
        ivon.step(1.0, |cx| model.gradient(cx, 1.0)).unwrap();
        let after = (ivon.state().unpadded("mean"), ivon.state().unpadded("hessian"));
        let layout = ivon.state().layout().clone();
        for (entry, delta) in layout.entries().iter().zip(ivon.weight_decays()) {
            for i in entry.start..entry.start + entry.parameter.shape().elements() {
                let [h, next] = [before.1[i], after.1[i]].map(|h| h as f64 + delta);
                // h grows by 0.5 · (0.25 + ½ · 0.5 · 0.25²) = 0.1328 of itself at most.
                let grown = (next - h) / h;
                assert!((-0.125..=0.1329).contains(&grown), "h + delta went from {h} to {next}");
                at_hessian_bound += (grown > 0.1327) as usize;
                let sigmas = (after.0[i] as f64 - before.0[i] as f64).abs() * (50.0 * next).sqrt();
                assert!(sigmas < 0.12502, "the mean moved by {sigmas} sigma");
                at_step_bound += (sigmas > 0.1249) as usize;
            }
        }
    }
    assert!(at_hessian_bound > 100 && at_step_bound > 100, "{at_hessian_bound} and {at_step_bound} elements at their bounds");
}

#[test]
fn bounds_that_are_no_bounds_are_refused() {
    let refused = |config: IvonConfig| Ivon::new(&Bowl::new(3), config, Settings::default()).map(|_| ()).unwrap_err().to_string();
    let base = || IvonConfig::new(1e6);
    for (config, key) in [
        (IvonConfig { hessian_bound: Some(0.0), ..base() }, "hessian_bound is 0"),
        (IvonConfig { step_bound: Some(f64::NAN), ..base() }, "step_bound is NaN"),
        (IvonConfig { prior: Prior::Variance { weights: -1.0, biases: 1.0 }, ..base() }, "the prior variance of weights is -1"),
        (IvonConfig { prior: Prior::Variance { weights: 1.0, biases: 1e300 }, ..base() }, "the prior variance of biases is"),
    ] {
        let message = refused(config);
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn a_sample_per_micro_batch_averages_over_the_micro_batches() {
    for estimate in [HessianEstimate::Price, HessianEstimate::GradSq] {
        let config = IvonConfig { estimate, beta2: 0.9, sample_per: SamplePer::MicroBatch, ..IvonConfig::new(200.0) };
        follow(config, Settings { micro_batches: 5, grad_clip: Some(3.0), ..Settings::default() }, 3);
    }
}

#[test]
fn a_beta2_next_to_1_moves_the_hessian_by_what_it_should() {
    // In f32, beta2 · h + (1 − beta2) · h_hat would lose most of a change of this size.
    let model = Bowl::new(3);
    let config = IvonConfig { beta2: 0.99999, hess_init: 0.5, ..IvonConfig::new(100.0) };
    let mut ivon = Ivon::new(&model, config, Settings::default()).unwrap();
    let seen = Rc::new(RefCell::new(Seen::default()));
    ivon.trace(Some(Box::new(Recorder(seen.clone()))));
    let mut expected = 0.0;
    for _ in 0..50 {
        let h = ivon.state().unpadded("hessian")[0] as f64;
        ivon.step(0.0, |cx| model.gradient(cx, 1.0)).unwrap();
        let (noise, gradient) = &seen.borrow().samples[0];
        let h_hat = gradient[0] as f64 * noise[0] as f64 * (100.0 * (h + 1e-4)).sqrt();
        expected += 1e-5 * (h_hat - h) + 0.5e-10 * (h_hat - h).powi(2) / (h + 1e-4);
    }
    let change = ivon.state().unpadded("hessian")[0] as f64 - 0.5;
    assert!((change - expected).abs() < 0.01 * expected.abs() + 50.0 * 3e-8, "{change} where {expected} is expected");
}

#[test]
fn the_hessian_of_a_quadratic_is_found() {
    let model = Bowl::new(3);
    let config = IvonConfig { hess_init: 0.5, beta2: 0.999, weight_decay: 0.0, samples: 4, ..IvonConfig::new(100.0) };
    let mut ivon = Ivon::new(&model, config, Settings { seed: 3, ..Settings::default() }).unwrap();
    let steps = 6000;
    for t in 0..steps {
        let lr = if t < 500 { 0.3 } else { 0.0 };
        ivon.step(lr, |cx| model.gradient(cx, 1.0)).unwrap();
    }
    let (found, layout) = (ivon.state().unpadded("hessian"), ivon.state().layout().clone());
    let mut ratios = vec![];
    for entry in layout.entries().iter().filter(|e| !e.parameter.frozen()) {
        for i in 0..entry.parameter.shape().elements() {
            let (a, _) = Bowl::shape_of(entry.parameter.index(), i);
            ratios.push(found[entry.start + i] as f64 / a);
        }
    }
    // g · noise / sigma of a quadratic varies by a sqrt(2) around a; h averages about 2 / (1 − beta2) · 4 = 8000 of them.
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!((mean - 1.0).abs() < 0.005, "h / a is {mean} on average");
    assert!(ratios.iter().all(|r| (r - 1.0).abs() < 0.12), "{ratios:?}");
}
