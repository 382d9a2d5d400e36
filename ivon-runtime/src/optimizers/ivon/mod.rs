//! IVON, the improved variational online Newton method: Shen et al., "Variational Learning is Effective for Large Deep
//! Networks" (ICML 2024), Algorithm 1.
//!
//! The posterior is q = N(mean, diag(sigma²)) with sigma² = 1 / (ess · (h + delta)). One step t, elementwise, with S samples:
//!
//! ```text
//! theta_s  = mean + sigma · noise_s,   g_s = gradient of the loss at theta_s
//! g        = (1/S) Σ g_s
//! h_hat    = (1/S) Σ g_s · noise_s / sigma                          Price
//!          = ess · (1/S) Σ g_s²                                     GradSq
//! h_hat    = h + clip(h_hat − h, ±hessian_bound · (h + delta))
//! momentum = beta1 · momentum + (1 − beta1) · g
//! h        = h + (1 − beta2) · ((h_hat − h) + ½ (1 − beta2) (h_hat − h)² / (h + delta))
//! step     = clip((momentum / (1 − beta1^t) + delta · mean) / (h + delta), ±clip_radius)
//! mean     = mean − clip(lr · (hess_init + delta) · step, ±step_bound · sigma)
//! ```
//!
//! The two bounds are not the paper's: without them, their default, the arithmetic is the paper's.
//!
//! The update of the last sample, the zeroing of the gradient and the drawing of the next step's first sample are one pass over memory.

pub(crate) mod cpu;
mod kernel;
mod plan;
mod prior;
mod signs;
mod suggest;

pub use plan::{Derived, Plan};
pub use prior::Prior;
pub use suggest::Suggestion;

use super::driver::{Driver, Settings, Weighting, check_lr, require};
use super::gpu::{Finish, Gpu, IvonPass, Moving};
use super::{Gradient, Optimizer, Tracer, Warning, Weights};
use crate::context::Context;
use crate::context::flat::Flat;
use crate::context::profile::{Cost, Phase, Scope};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::setters::setters;
use crate::optimizers::state::State;
use crate::posterior::Posterior;
use crate::posterior::draw::temperature;
use crate::tensor::noise::{EVALUATION, Noise};
use crate::tensor::parameter::Model;
use half::bf16;
use kernel::Constants;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::rc::Rc;

/// How the Hessian is estimated from gradients at samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HessianEstimate {
    /// The reparameterised estimate g · noise / sigma (Price's theorem), the paper's.
    #[default]
    Price,
    /// ess · g². The factor ess follows the reference package `ivon-opt`, whose users dispute it.
    GradSq,
}

/// How often a new sample of the posterior is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplePer {
    /// `samples` times an update; each sample sees the whole batch.
    #[default]
    Update,
    /// For every micro-batch, as in the published GPT-2 runs: an update averages over as many samples as there are micro-batches, weighted by the targets
    /// that each counts.
    MicroBatch,
}

/// The hyper-parameters of [`Ivon`].
///
/// ```
/// use ivon_runtime::prelude::*;
///
/// let config = IvonConfig::for_examples(50_000).hess_init(0.5).clip_radius(Some(1e-3));
/// assert_eq!(config.ess, 50_000.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IvonConfig {
    /// Effective sample size lambda: the number of training examples, unless tempered.
    pub ess: f64,
    /// The initial value of the Hessian, h0 > 0.
    pub hess_init: f64,
    /// Decay of the momentum.
    pub beta1: f64,
    /// Decay of the Hessian.
    pub beta2: f64,
    /// Prior precision over ess, delta: on tensors of two or more dimensions; 0 on others; a parameter's own wins.
    pub weight_decay: f64,
    /// The largest step of one element, before the learning rate.
    pub clip_radius: Option<f64>,
    /// How the Hessian is estimated.
    pub estimate: HessianEstimate,
    /// Monte Carlo samples an update, S.
    pub samples: usize,
    /// How often a new sample is drawn.
    pub sample_per: SamplePer,
    /// If true, divides the momentum by 1 − beta1^t.
    pub debias: bool,
    /// If true, multiplies the learning rate by hess_init + delta.
    pub rescale_lr: bool,
    /// Prior precision of each parameter.
    #[serde(default, skip_serializing_if = "Prior::is_weight_decay")]
    pub prior: Prior,
    /// The largest distance of one Hessian estimate from h, in units of h + delta. Without it, one gradient at the far end of a sample can move h by orders
    /// of magnitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hessian_bound: Option<f64>,
    /// The largest change of the mean in one step, in units of sigma. The gradient at a sample describes the loss only about as far as samples reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_bound: Option<f64>,
    /// The plan that the values are derived from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

setters!(IvonConfig {
    ess: f64,
    hess_init: f64,
    beta1: f64,
    beta2: f64,
    weight_decay: f64,
    clip_radius: Option<f64>,
    estimate: HessianEstimate,
    samples: usize,
    sample_per: SamplePer,
    debias: bool,
    rescale_lr: bool,
    prior: Prior,
    hessian_bound: Option<f64>,
    step_bound: Option<f64>,
    plan: Option<Plan>,
});

impl IvonConfig {
    /// The defaults of the reference package with this `ess`, which has no default because no value fits all data:
    ///
    /// ```compile_fail,E0599
    /// let config = ivon_runtime::optimizers::IvonConfig::default();
    /// ```
    pub fn new(ess: f64) -> IvonConfig {
        IvonConfig {
            ess,
            hess_init: 1.0,
            beta1: 0.9,
            beta2: 0.99999,
            weight_decay: 1e-4,
            clip_radius: None,
            estimate: HessianEstimate::Price,
            samples: 1,
            sample_per: SamplePer::Update,
            debias: true,
            rescale_lr: true,
            prior: Prior::WeightDecay,
            hessian_bound: None,
            step_bound: None,
            plan: None,
        }
    }

    /// The defaults for a training set of this size: `ess` is the number of examples, and the posterior is that of the data.
    ///
    /// [`Ivon::suggest`] also chooses `hess_init`, `weight_decay` and `beta2` by the model and the data.
    pub fn for_examples(examples: usize) -> IvonConfig {
        IvonConfig::new(examples as f64)
    }

    fn check(&self, settings: &Settings) -> Result<()> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        require(positive(self.ess), "ess", self.ess, "a positive number: the number of training examples")?;
        // Kernels compute with ess and 1 / ess in f32.
        let in_range = [self.ess, 1.0 / self.ess].iter().all(|x| (*x as f32).is_normal());
        require(in_range, "ess", self.ess, "within the range of f32, 1e-37 to 1e37: the number of training examples")?;
        require(positive(self.hess_init), "hess_init", self.hess_init, "a positive number")?;
        require((0.0..1.0).contains(&self.beta1), "beta1", self.beta1, "at least 0 and below 1")?;
        require((0.0..1.0).contains(&self.beta2), "beta2", self.beta2, "at least 0 and below 1")?;
        let decay = self.weight_decay;
        require(decay >= 0.0 && decay.is_finite(), "weight_decay", decay, "zero or a positive number")?;
        for (key, bound) in
            [("clip_radius", self.clip_radius), ("hessian_bound", self.hessian_bound), ("step_bound", self.step_bound)]
        {
            bound.map_or(Ok(()), |bound| require(bound > 0.0, key, bound, "a positive number, or none"))?;
        }
        self.prior.check(self.ess)?;
        self.plan.map_or(Ok(()), |plan| plan.check())?;
        require(self.samples > 0, "samples", self.samples, "at least 1")?;
        if self.sample_per == SamplePer::MicroBatch && self.samples != 1 && self.samples != settings.micro_batches {
            return Err(Error::config(format!(
                "a sample per micro-batch makes {} samples an update, but samples is {}: leave samples at 1",
                settings.micro_batches, self.samples
            )));
        }
        Ok(())
    }
}

/// Range of the Hessian and mean of sigma over all parameters that are not frozen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// The smallest h.
    pub hessian_min: f64,
    /// The largest h.
    pub hessian_max: f64,
    /// The initial value of h.
    pub hessian_start: f64,
    /// The value that h would have if every estimate had been zero: hess_init · beta2^steps.
    pub hessian_decayed: f64,
    /// The mean of sigma.
    pub sigma_mean: f64,
}

/// A bound for kernels: infinity for none.
fn bound(bound: Option<f64>) -> f32 {
    bound.map_or(f32::INFINITY, |bound| bound as f32)
}

/// Operations for one normal number, besides those on integers: half of a Box-Muller pair.
const NORMAL: usize = 27;

/// The optimizer; see the module's documentation for the formulas.
pub struct Ivon {
    driver: Driver,
    config: IvonConfig,
    samples: usize,
    /// Sums of g and of g · noise (or g²) over the samples before the last one; only with several samples.
    sums: Option<(Flat, Flat)>,
}

impl Ivon {
    /// An optimizer for a model, with its means at their start and the first sample drawn.
    ///
    /// # Errors
    /// If the configuration makes no sense: which key, what is allowed.
    pub fn new(model: &impl Model, config: IvonConfig, settings: Settings) -> Result<Ivon> {
        config.check(&settings)?;
        let samples = match config.sample_per {
            SamplePer::Update => config.samples,
            SamplePer::MicroBatch => settings.micro_batches,
        };
        let mut driver = Driver::new(model, settings, &["hessian", "momentum"], true)?;
        driver.state.buffer_mut("hessian")?.fill(config.hess_init as f32);
        let layout = driver.state.layout().clone();
        let sum = || Flat::zeros_in(&driver.cx, &layout, DType::F32);
        let sums = if samples > 1 { Some((sum()?, sum()?)) } else { None };
        driver.state.fitted = matches!(config.prior, Prior::Fitted { .. });
        driver.state.decays = config.prior.decays(&layout, &config).into();
        let mut ivon = Ivon { driver, config, samples, sums };
        ivon.set_gpu_up()?;
        ivon.draw(Some(ivon.noise(1, 0)))?;
        ivon.driver.ready = true;
        ivon.driver.cx.set_weights(&ivon.driver.state.weights);
        Ok(ivon)
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &IvonConfig {
        &self.config
    }

    /// The weight decay of each parameter, in declaration order.
    pub fn weight_decays(&self) -> &[f64] {
        self.driver.state.decays()
    }

    fn noise(&self, step: u32, sample: u32) -> Noise {
        Noise::of(self.driver.state.seed(), step, sample)
    }

    /// The constants of one pass, but for what depends on a parameter's weight decay.
    fn constants(&self, scale: f32, now: Noise, next: Noise) -> Constants {
        let (c, step) = (&self.config, self.driver.state.step() + 1);
        let Weighting { weight, correction } = self.driver.among_samples;
        let debias = if c.debias { 1.0 / (1.0 - c.beta1.powf(step as f64)) } else { 1.0 };
        Constants {
            ess: c.ess as f32,
            temperature: temperature(c.ess),
            delta: 0.0,
            keep: c.beta1 as f32,
            take: (1.0 - c.beta1) as f32,
            // Differences from 1 in f64: in f32, 1 - 0.99999 would be off by a tenth of a per cent.
            gain: (1.0 - c.beta2) as f32,
            correction: (0.5 * (1.0 - c.beta2)) as f32,
            debias: debias as f32,
            rate: 0.0,
            radius: bound(c.clip_radius),
            hessian_bound: bound(c.hessian_bound),
            step_bound: bound(c.step_bound),
            scale,
            weighted: scale * weight as f32,
            share: (correction / self.samples as f64) as f32,
            now,
            next,
        }
    }

    /// Puts a sample with this noise, or the mean, into the weights.
    fn draw(&mut self, noise: Option<Noise>) -> Result<()> {
        let state = &self.driver.state;
        let _phase = self.driver.cx.phase(Phase::Sampling);
        let _op = self.driver.cx.op("draw", || {
            let (elements, of_each) = (state.layout().elements(), if noise.is_some() { NORMAL + 6 } else { 0 });
            Cost::flops(elements * of_each).moves(2 * state.layout().elements() * size_of::<f32>() + state.weights.bytes())
        });
        if let Some(gpu) = &self.driver.state.gpu {
            let temperature = temperature(self.config.ess);
            return gpu.draw(&self.driver.cx, &self.driver.state.weights, noise, temperature);
        }
        match self.driver.settings.dtype {
            DType::F64 => self.draw_as::<f64>(noise),
            DType::Bf16 => self.draw_as::<bf16>(noise),
            _ => self.draw_as::<f32>(noise),
        }
        Ok(())
    }

    /// Tells a GPU what does not change from step to step.
    fn set_gpu_up(&mut self) -> Result<()> {
        let Some(gpu) = &self.driver.state.gpu else { return Ok(()) };
        let factor = |delta: f64| if self.config.rescale_lr { self.config.hess_init + delta } else { 1.0 };
        gpu.set_decays(self.driver.state.layout(), self.driver.state.decays(), factor)?;
        self.driver.state.catch_up()
    }

    /// The scope of a pass, which draws the noise of its sample again and that of the next one.
    fn scope_of_pass(&self) -> Scope {
        self.driver.cx.op("ivon", || self.driver.state.cost_of_update(30 + 2 * NORMAL))
    }

    /// Clipping and [`Ivon::pass`] on a GPU: what is asked for once the gradient of this sample is there. Tells the GPU the numbers of the step.
    fn finish_on_gpu(&self, gpu: &Rc<Gpu>, lr: f64, sample: usize) -> Result<Rc<Finish>> {
        let (step, last) = (self.driver.state.step() + 1, sample + 1 == self.samples);
        let now = self.noise(step, sample as u32);
        let next = if last { self.noise(step + 1, 0) } else { self.noise(step, sample as u32 + 1) };
        let c = self.constants(1.0, now, next);
        let share = (1.0 / self.samples as f64) as f32;
        gpu.set_moving(Moving { lr: lr as f32, debias: c.debias, now: now.upper, next: next.upper, ..Moving::default() })?;
        let numbers =
            [c.ess, c.temperature, c.keep, c.gain, c.correction, c.radius, share, c.take, c.hessian_bound, c.step_bound];
        let several = self.driver.settings.micro_batches > 1;
        let (gradsq, sampled) =
            (self.config.estimate == HessianEstimate::GradSq, self.config.sample_per == SamplePer::MicroBatch);
        let pass = IvonPass { key: now.key, last, gradsq, weighed: several && sampled, numbers };
        let sums = self.sums.as_ref().map(|(g, p)| (g.share(), p.share()));
        let (weights, gradient) = (self.driver.state.weights.share(), self.driver.state.gradient.share());
        let largest = self.driver.settings.grad_clip;
        let mut written = self.driver.state.written_by_update(gpu);
        if let Some((g, p)) = &sums {
            written.extend([("sum of gradients", g.share()), ("sum of products", p.share())]);
        }
        Ok(Rc::new(Finish::new(gpu, written, (several && !sampled).then(|| gradient.share()), move |gpu, cx| {
            if several && !sampled {
                gpu.correct(cx, &gradient)?;
            }
            if let Some(largest) = largest {
                gpu.clip(cx, &gradient, largest)?;
            }
            gpu.ivon(cx, &weights, &gradient, sums.as_ref().map(|(g, p)| (g, p)), &pass)
        })))
    }

    /// The fault of an element, if there is one.
    fn out_of_range(&self, parameter: usize, element: usize) -> Option<String> {
        if self.driver.state.layout().entries()[parameter].parameter.frozen() {
            return None;
        }
        let state = &self.driver.state;
        let (mean, h) = (state.mean()[element], state.buffer("hessian")[element]);
        let precise = h + self.driver.state.decays()[parameter] as f32;
        let precision = self.config.ess as f32 * precise;
        let weight = match self.driver.settings.dtype {
            // On a GPU there is no other look at it than a copy of all.
            _ if state.gpu.is_some() => 0.0,
            DType::F64 => state.weights.as_slice::<f64>()[element],
            DType::Bf16 => state.weights.as_slice::<bf16>()[element].to_f64(),
            _ => state.weights.as_slice::<f32>()[element] as f64,
        };
        if !precise.is_finite() {
            Some(format!("the Hessian h is {h}"))
        } else if precise <= 0.0 {
            Some(format!("the Hessian plus weight decay, h + delta, is {precise:e}, which is not positive"))
        } else if precision >= kernel::PRECISION_LIMIT {
            Some(format!("the Hessian h is {h:e}, so large that sigma vanishes"))
        } else if !mean.is_finite() {
            Some(format!("the mean is {mean}"))
        } else if !weight.is_finite() {
            Some(format!("the sample of the weight is {weight}"))
        } else {
            None
        }
    }

    /// True if the update before went well, where that is not known yet.
    fn check_last_update(&self) -> Result<()> {
        self.driver.check_last_update(|parameter, element| self.out_of_range(parameter, element))
    }

    /// Brings gradient, sums and sample in order after an error or a panic; refuses while a tensor on them is held.
    fn prepare(&mut self) -> Result<()> {
        self.driver.state.check_free()?;
        if !self.driver.ready {
            self.driver.rewind()?;
            self.driver.state.catch_up()?;
            self.driver.zero_gradient()?;
            if let Some((g, p)) = &mut self.sums {
                g.clear()?;
                p.clear()?;
            }
            let noise = self.noise(self.driver.state.step() + 1, 0);
            self.draw(Some(noise))?;
            self.driver.cx.set_weights(&self.driver.state.weights);
            self.driver.ready = true;
        }
        Ok(())
    }
}

impl Optimizer for Ivon {
    fn name(&self) -> &'static str {
        "ivon"
    }

    fn hyperparameters(&self) -> Map<String, Value> {
        self.driver.describe(&self.config)
    }

    fn context(&self) -> &Context {
        &self.driver.cx
    }

    fn state(&self) -> &State {
        &self.driver.state
    }

    fn restore(&mut self, load: &mut dyn FnMut(&mut State) -> Result<()>) -> Result<()> {
        self.prepare()?;
        self.driver.ready = false;
        load(&mut self.driver.state)?;
        self.set_gpu_up()?;
        self.prepare()
    }

    fn samples_per_update(&self) -> usize {
        self.samples
    }

    fn micro_batches(&self) -> usize {
        self.driver.settings.micro_batches
    }

    fn step_in_parts(&mut self, lr: f64, gradient: &mut Gradient) -> Result<f64> {
        check_lr(lr)?;
        self.prepare()?;
        self.driver.begin()?;
        let gpu = self.driver.state.gpu.clone();
        let mut sum = 0.0;
        for sample in 0..self.samples {
            let finish = gpu.as_ref().map(|gpu| self.finish_on_gpu(gpu, lr, sample)).transpose()?;
            let loss = match self.config.sample_per {
                SamplePer::Update => self.driver.gradient(sample, 0, self.driver.settings.micro_batches, &finish, gradient),
                SamplePer::MicroBatch => self.driver.gradient(sample, sample, 1, &finish, gradient),
            };
            let Ok(loss) = loss else {
                // Leave the sample of this step behind, so that the step can be tried again. If that fails too, the first error says more, and
                // the next step tries it.
                let _ = self.prepare();
                return loss;
            };
            sum += loss;
            self.check_last_update()?;
            self.driver.state.check_free()?;
            let _phase = self.driver.cx.phase(Phase::Update);
            let noise = self.noise(self.driver.state.step() + 1, sample as u32);
            if let Some(finish) = finish {
                self.driver.trace_sample(sample as u32, Some(noise), None)?;
                let _op = self.scope_of_pass();
                self.driver.finish_on_gpu(&finish)?;
                continue;
            }
            let scale = self.driver.clip_scale()?;
            self.driver.trace_sample(sample as u32, Some(noise), Some(scale))?;
            let _op = self.scope_of_pass();
            let good = match self.driver.settings.dtype {
                DType::F64 => self.pass::<f64>(lr, sample, scale),
                DType::Bf16 => self.pass::<bf16>(lr, sample, scale),
                _ => self.pass::<f32>(lr, sample, scale),
            };
            if !good {
                return Err(self.driver.diagnose(|parameter, element| self.out_of_range(parameter, element)));
            }
        }
        if let Some(gpu) = &gpu {
            gpu.watch_status()?;
        }
        let loss = sum / self.samples as f64 * self.driver.among_samples.correction;
        self.driver.finish(lr, loss)?;
        self.look_for_signs(lr);
        self.fit_prior()?;
        Ok(loss)
    }

    fn evaluate(&mut self, at: Weights, pass: &mut dyn FnMut(&Context) -> Result<()>) -> Result<()> {
        self.check_last_update()?;
        self.prepare()?;
        self.driver.ready = false;
        let in_place = at == Weights::Mean && self.driver.settings.dtype == DType::F32;
        match at {
            Weights::Mean if in_place => {}
            Weights::Mean => self.draw(None)?,
            Weights::Sample(k) => self.draw(Some(self.noise(EVALUATION, k)))?,
        }
        let result = self.driver.observe(in_place, pass);
        if in_place {
            self.driver.ready = true;
            return result;
        }
        result.and(self.prepare())
    }

    fn posterior(&self) -> Posterior<'_> {
        let state = &self.driver.state;
        let posterior =
            Posterior::of_state(state.layout(), state.mean(), Some((state.buffer("hessian"), self.config.ess, state.decays())));
        posterior.with_running_statistics(state.running_copy())
    }

    fn statistics(&self) -> Option<Statistics> {
        let state = &self.driver.state;
        let IvonConfig { hess_init, beta2, ess, .. } = self.config;
        let (min, max, sum) = match &state.gpu {
            None => cpu::statistics(state.layout(), &state.buffer("hessian"), &self.config, state.decays()),
            // A lost GPU has no statistics. The next step returns the error.
            Some(gpu) => gpu.statistics(&self.driver.cx, temperature(ess)).ok()?,
        };
        let free = state.layout().entries().iter().map(|e| &e.parameter).filter(|parameter| !parameter.frozen());
        let count = free.map(|parameter| parameter.shape().elements()).sum::<usize>().max(1);
        Some(Statistics {
            hessian_min: min as f64,
            hessian_max: max as f64,
            hessian_start: hess_init,
            hessian_decayed: hess_init * beta2.powi(state.step() as i32),
            sigma_mean: sum / count as f64,
        })
    }

    fn derived(&self) -> Vec<Derived> {
        self.config.plan.map_or(vec![], |plan| plan.derived(&self.config))
    }

    fn take_warning(&mut self) -> Option<Warning> {
        self.driver.take_warning()
    }

    fn trace(&mut self, tracer: Option<Box<dyn Tracer>>) {
        self.driver.tracer = tracer;
    }
}
