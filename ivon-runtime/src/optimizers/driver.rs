//! The steps of every optimizer around its update: running the micro-batches, clipping, keeping order between steps.

use super::gpu::{Bad, Finish};
use super::watch::{Sign, Warning};
use super::{Gradient, Tracer};
use crate::context::flat::Flat;
use crate::context::profile::Cost;
use crate::context::{AfterBackward, Context, Counts, Finishing, Pass};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::setters::setters;
use crate::device::Device;
use crate::device::cuda::notice;
use crate::optimizers::state::State;
use crate::posterior::pass;
use crate::posterior::pass::Compute;
use crate::tensor::noise::Noise;
use crate::tensor::parameter::Model;
use half::bf16;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::rc::Rc;

/// The settings of every optimizer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Seed of the initial means, the posterior's noise and dropout. 0 by default.
    pub seed: u64,
    /// The device to compute on.
    pub device: Device,
    /// The type to compute in: f32, or f64 for the reference. The state is f32 in both.
    pub dtype: DType,
    /// Parts that a batch is worked through in, to save memory; the result is the same up to rounding, also where targets are ignored: losses such as
    /// cross-entropy weigh a part by its targets that count. 1 by default.
    pub micro_batches: usize,
    /// The largest global norm of a gradient; a longer one is scaled down to it. Per sample, before it enters any average.
    pub grad_clip: Option<f64>,
}

setters!(Settings { seed: u64, device: Device, dtype: DType, micro_batches: usize, grad_clip: Option<f64> });

impl Default for Settings {
    fn default() -> Self {
        Settings { seed: 0, device: Device::Cpu, dtype: DType::F32, micro_batches: 1, grad_clip: None }
    }
}

/// The part of an optimizer that does not depend on its update rule.
pub(super) struct Driver {
    pub cx: Context,
    pub state: State,
    pub settings: Settings,
    pub tracer: Option<Box<dyn Tracer>>,
    /// True when the gradient and the sums are zeroed and the weights belong to the next step. False while that may be wrong, so that an error or a panic
    /// in between leaves the truth behind.
    pub ready: bool,
    /// The running statistics before the step that is being taken: a step that fails leaves them as they were.
    before: Vec<f32>,
    /// True if a step has begun and not come to its end.
    begun: bool,
    /// True if the update was a part of the last gradient.
    finished: bool,
    partial: Vec<f64>,
    /// Steps that this optimizer has taken.
    taken: u32,
    /// The counts of the batch so far, where each micro-batch has a posterior sample of its own.
    counts: Counts,
    /// The factor of the gradient that a GPU holds: see [`Context::correction`].
    correction: f64,
    /// The weight of the last gradient among the samples of the update, and the factor of their sum. Both are 1 unless each micro-batch has a posterior
    /// sample of its own.
    pub among_samples: Weighting,
    /// Warnings that the caller has not taken yet.
    warnings: VecDeque<Warning>,
}

/// The factors of a sample and of the sum over samples.
#[derive(Clone, Copy)]
pub(super) struct Weighting {
    pub weight: f64,
    pub correction: f64,
}

impl Default for Weighting {
    fn default() -> Self {
        Weighting { weight: 1.0, correction: 1.0 }
    }
}

impl Driver {
    pub fn new(model: &impl Model, settings: Settings, buffers: &[&'static str], sampled: bool) -> Result<Driver> {
        if settings.micro_batches == 0 {
            return Err(Error::config("micro_batches is 0: a batch has at least one part"));
        }
        if let Some(clip) = settings.grad_clip {
            require(clip > 0.0 && !clip.is_nan(), "grad_clip", clip, "a positive number, or none")?;
        }
        let cx = Context::new(settings.device, settings.dtype)?;
        let mut state = State::new(model, settings.seed, settings.dtype, buffers, sampled)?;
        state.move_to(&cx)?;
        for parameter in state.layout().entries().iter().map(|e| &e.parameter) {
            let own = parameter.weight_decay().unwrap_or(0.0);
            let key = format!("weight_decay of `{}`", parameter.name());
            require(own >= 0.0 && own.is_finite(), &key, own, "zero or a positive number")?;
        }
        let partial = vec![0.0; state.layout().padded().div_ceil(pass::CHUNK)];
        cx.set_running_statistics(Some(state.running_at_work()));
        Ok(Driver {
            cx,
            state,
            settings,
            tracer: None,
            ready: false,
            before: vec![],
            begun: false,
            finished: false,
            partial,
            taken: 0,
            counts: Counts::default(),
            correction: 1.0,
            among_samples: Weighting::default(),
            warnings: VecDeque::new(),
        })
    }

    /// Hyper-parameters and settings by name. The seed is the state's.
    pub fn describe(&self, config: &impl Serialize) -> Map<String, Value> {
        let mut all = match serde_json::to_value(config) {
            Ok(Value::Object(all)) => all,
            _ => Map::new(),
        };
        let Settings { seed: _, device, dtype, micro_batches, grad_clip } = &self.settings;
        all.insert("micro_batches".into(), json!(micro_batches));
        all.insert("grad_clip".into(), json!(grad_clip));
        all.insert("dtype".into(), json!(format!("{dtype:?}").to_lowercase()));
        all.insert("device".into(), json!(device.to_string()));
        all
    }

    /// Begins a step: until [`Driver::finish`] nothing is ready.
    pub fn begin(&mut self) -> Result<()> {
        while let Some(Warning { message, .. }) = self.take_warning() {
            notice::once(&message, &message);
        }
        (self.ready, self.begun) = (false, true);
        if let Some(gpu) = &self.state.gpu {
            return gpu.begin();
        }
        self.before.clear();
        self.before.extend_from_slice(&self.state.running_statistics());
        Ok(())
    }

    /// Takes back what a step that was not finished has done to the running statistics.
    pub fn rewind(&mut self) -> Result<()> {
        if std::mem::take(&mut self.begun) {
            if let Some(gpu) = &self.state.gpu {
                return gpu.rewind();
            }
            self.state.running_statistics_mut()?.copy_from_slice(&self.before);
        }
        Ok(())
    }

    /// Runs the `parts` micro-batches from number `first` on at the weights of sample `sample`. Returns the mean of their losses, weighted by the targets that
    /// they count. If they are only a part of the batch, each has a sample of its own: the loss is then multiplied with its weight, and the caller applies
    /// [`Driver::among_samples`] to its averages. On a GPU, `finish` may run within the last micro-batch; otherwise [`Driver::finish_on_gpu`] runs it.
    pub fn gradient(
        &mut self,
        sample: usize,
        first: usize,
        parts: usize,
        finish: &Option<Rc<Finish>>,
        gradient: &mut Gradient,
    ) -> Result<f64> {
        let step = self.state.step() + 1;
        self.cx.set_weights(&self.state.weights);
        self.cx.set_gradient(Some(&self.state.gradient));
        self.cx.set_training(true);
        self.cx.set_loss_scale(1.0 / parts as f64);
        let (all, sampled) = (self.settings.micro_batches, parts < self.settings.micro_batches);
        let counts = if first == 0 { Counts::new(all, sampled) } else { std::mem::take(&mut self.counts) };
        self.cx.set_batch(counts);
        let _rest = Rest(&self.cx);
        let mut sum = 0.0;
        for part in 0..parts {
            let pass = (sample * parts + part) as u32;
            self.cx.set_pass(Pass { seed: self.state.seed(), step, pass });
            self.cx.begin_micro_batch();
            // A tracer looks at the gradient before the update takes it in.
            if part + 1 == parts && self.tracer.is_none() {
                self.cx.set_finish(finish.clone().map(|finish| finish as Rc<dyn AfterBackward>));
            }
            let loss = gradient(&self.cx, first + part)?;
            if !loss.is_finite() {
                let message = format!("the loss is {loss} in pass {pass}{}: {ADVICE}", self.largest_weight());
                return Err(Error::value(format!("step {step}"), message));
            }
            sum += loss * self.cx.weight_of_pass()?;
            self.finished = matches!(self.cx.finishing(), Finishing::Done);
            if let Some(gpu) = self.state.gpu.as_ref().filter(|_| parts > 1 && !self.finished) {
                gpu.accumulate(&self.cx, &self.state.gradient, part + 1 == parts)?;
            }
        }
        let (weight, mut correction) = (self.cx.weight_of_pass()?, self.cx.correction()?);
        if self.state.gpu.is_some() && !self.finished {
            // The update reads both.
            self.cx.upload_weight()?;
        }
        self.among_samples = Weighting::default();
        if sampled {
            self.counts = self.cx.set_batch(Counts::default());
            self.among_samples = Weighting { weight, correction };
            correction = 1.0;
        }
        if self.state.gpu.is_none() && correction != 1.0 {
            pass::multiply(&mut self.state.gradient, correction)?;
        }
        self.correction = correction;
        Ok(sum / parts as f64 * correction)
    }

    /// Clipping and update on a GPU, where they were not a part of the last gradient: asked for, not waited for.
    pub fn finish_on_gpu(&mut self, finish: &Finish) -> Result<()> {
        if std::mem::take(&mut self.finished) { Ok(()) } else { finish.run(&self.cx) }
    }

    /// The factor of the gradient with which its global norm is at most `grad_clip`: PyTorch's
    /// `min(1, clip / (norm + 1e-6))`.
    pub fn clip_scale(&mut self) -> Result<f32> {
        let Some(clip) = self.settings.grad_clip else { return Ok(1.0) };
        let gradient = &self.state.gradient;
        let _op = self.cx.op("norm of the gradient", || Cost::flops(2 * gradient.layout().elements()).moves(gradient.bytes()));
        let (gradient, partial) = (&self.state.gradient, &mut self.partial);
        let square = match self.settings.dtype {
            DType::F64 => pass::sum_of_squares::<f64>(gradient, partial),
            _ => pass::sum_of_squares::<f32>(gradient, partial),
        };
        let norm = square.sqrt();
        if norm.is_finite() {
            return Ok((clip / (norm + 1e-6)).min(1.0) as f32);
        }
        let at = self.first_bad(|gradient| !gradient.is_finite());
        Err(Error::value(format!("step {}", self.state.step() + 1), format!("the norm of the gradient is {norm}{at}: {ADVICE}")))
    }

    /// The weight that is furthest out, for a loss that is not finite.
    fn largest_weight(&self) -> String {
        let entries = self.state.layout().entries().iter();
        let all = entries.filter_map(|e| Some((e.parameter.name(), self.state.weights.lent(&e.parameter).ok()?.to_f64())));
        // NaN counts as larger than any number.
        let size = |x: f64| if x.is_nan() { f64::INFINITY } else { x.abs() };
        let furthest =
            all.filter_map(|(name, values)| Some((name, values.into_iter().max_by(|a, b| size(*a).total_cmp(&size(*b)))?)));
        let furthest = furthest.max_by(|a, b| size(a.1).total_cmp(&size(b.1)));
        furthest.map_or(String::new(), |(name, value)| format!("; the weight furthest out is {value:.3e}, in `{name}`"))
    }

    fn first_bad(&self, bad: impl Fn(f64) -> bool) -> String {
        for entry in self.state.layout().entries() {
            let Ok(values) = self.state.gradient.lent(&entry.parameter).map(|gradient| gradient.to_f64()) else { continue };
            if let Some(value) = values.into_iter().find(|x| bad(*x)) {
                return format!(", `{}` has {value}", entry.parameter.name());
            }
        }
        String::new()
    }

    /// Runs an evaluation at `weights`, or at those of the state.
    pub fn observe(&mut self, at_mean: bool, pass: &mut dyn FnMut(&Context) -> Result<()>) -> Result<()> {
        match self.state.at_work("mean") {
            Some(mean) if at_mean => self.cx.set_weights(mean),
            _ => self.cx.set_weights(&self.state.weights),
        }
        let _rest = Rest(&self.cx);
        self.cx.set_pass(Pass { seed: self.state.seed(), step: 0, pass: 0 });
        let result = pass(&self.cx);
        self.cx.set_weights(&self.state.weights);
        result
    }

    /// Zeroes the gradient.
    ///
    /// # Errors
    /// If it lies on a GPU that is lost.
    pub fn zero_gradient(&mut self) -> Result<()> {
        self.state.gpu.as_ref().map_or(Ok(()), |gpu| gpu.clear_sum())?;
        self.state.gradient.clear()
    }

    /// True if the update before went well, which a GPU says only now: it is not waited for when it is asked for.
    ///
    /// # Errors
    /// If it did not: what went out of range.
    pub fn check_last_update(&self, bad: impl Fn(usize, usize) -> Option<String>) -> Result<()> {
        let Some(found) = self.state.gpu.as_ref().map(|gpu| gpu.found()).transpose()?.flatten() else { return Ok(()) };
        let step = format!("step {}", self.state.step());
        match found {
            Bad::Norm => Err(Error::value(step, format!("the norm of the gradient is not finite: {ADVICE}"))),
            Bad::Range => Err(self.diagnose_step(&step, bad)),
        }
    }

    /// Shows a sample to the tracer, if there is one, with the gradient that clipping has multiplied with `scale`; on a GPU, where that is not known
    /// here, it is computed again.
    pub fn trace_sample(&mut self, sample: u32, noise: Option<Noise>, scale: Option<f32>) -> Result<()> {
        let Some(tracer) = &mut self.tracer else { return Ok(()) };
        let state = &self.state;
        let mut normals = vec![0.0; state.layout().elements()];
        if let Some(noise) = noise {
            noise.fill_normals(0, &mut normals);
        }
        let mut gradient = match &state.gpu {
            None => unpadded(&state.gradient),
            Some(_) => {
                let copy = Flat::zeros(state.layout(), state.gradient.dtype())?;
                state.gradient.download_to(&copy)?;
                let mut gradient = unpadded(&copy);
                gradient.iter_mut().for_each(|g| *g = (f64::from(*g) * self.correction) as f32);
                gradient
            }
        };
        let scale = match (scale, self.settings.grad_clip) {
            (Some(scale), _) => scale,
            (None, Some(clip)) => {
                let square: f64 = gradient.iter().map(|g| *g as f64 * *g as f64).sum();
                (clip / (square.sqrt() + 1e-6)).min(1.0) as f32
            }
            (None, None) => 1.0,
        };
        gradient.iter_mut().for_each(|g| *g *= scale);
        tracer.sample(state.step() + 1, sample, &normals, &gradient)
    }

    /// Counts the update, looks at its loss, and shows it to the tracer.
    pub fn finish(&mut self, lr: f64, loss: f64) -> Result<()> {
        let step = self.state.step() + 1;
        self.state.set_step(step);
        (self.ready, self.begun) = (true, false);
        self.cx.set_weights(&self.state.weights);
        self.look_for_unused();
        let found = self.state.watch.losses.add(loss);
        let fresh = self.state.watch.fresh(found);
        self.warn(fresh);
        match &mut self.tracer {
            Some(tracer) => tracer.update(step, lr, &self.state),
            None => Ok(()),
        }
    }

    /// The oldest warning that steps have left. The next step prints those that the caller has not taken.
    pub fn take_warning(&mut self) -> Option<Warning> {
        self.warnings.pop_front()
    }

    /// Leaves warnings for the caller.
    pub fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        self.warnings.extend(warnings);
    }

    /// Leaves a warning that names the parameters that no step has used, when the third step has ended: a loss may use some in turn.
    fn look_for_unused(&mut self) {
        const STEPS: u32 = 3;
        self.taken = self.taken.saturating_add(1);
        if self.taken != STEPS {
            return;
        }
        let unused = self.unused();
        if unused.is_empty() {
            return;
        }
        let names: Vec<String> = unused.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        let message = format!(
            "no gradient reached {names} in {STEPS} steps: the loss does not use {}. IVON's sigma of such a parameter grows in every step, because its \
             Hessian only decays. Use it in the loss, leave it out of the model, or freeze it (`#[parameter(frozen)]`)",
            if unused.len() == 1 { "it" } else { "them" }
        );
        let warning = Warning::new(Sign::Unused, message).in_parameter(unused[0].to_string());
        self.warn([warning]);
    }

    /// The parameters that are trained and whose gradient no backward pass has asked for.
    fn unused(&self) -> Vec<&str> {
        let free = self.state.layout().entries().iter().map(|e| &e.parameter).filter(|p| !p.frozen());
        free.filter(|p| !self.cx.has_reached(p.index())).map(|p| p.name()).collect()
    }

    /// An error that names the first element of the state that `bad` describes.
    pub fn diagnose(&self, bad: impl Fn(usize, usize) -> Option<String>) -> Error {
        self.diagnose_step(&format!("step {}", self.state.step() + 1), bad)
    }

    fn diagnose_step(&self, step: &str, bad: impl Fn(usize, usize) -> Option<String>) -> Error {
        for (i, entry) in self.state.layout().entries().iter().enumerate() {
            for element in entry.range() {
                if let Some(what) = bad(i, element) {
                    let message = format!("{what} at element {}: {ADVICE}", element - entry.offset);
                    return Error::value(format!("{step}: `{}`", entry.parameter.name()), message);
                }
            }
        }
        Error::value(step, format!("the update went out of range: {ADVICE}"))
    }
}

/// Every parameter's elements, without what lies between them.
fn unpadded(flat: &Flat) -> Vec<f32> {
    fn all<E: Compute>(flat: &Flat) -> Vec<f32> {
        let all = flat.as_slice::<E>();
        flat.layout().entries().iter().flat_map(|e| &all[e.range()]).map(|x| x.f32()).collect()
    }
    match flat.dtype() {
        DType::F64 => all::<f64>(flat),
        DType::Bf16 => all::<bf16>(flat),
        _ => all::<f32>(flat),
    }
}

/// Puts a context back to rest, also when a pass panics: no gradient, no dropout, loss scale 1.
struct Rest<'a>(&'a Context);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.set_gradient(None);
        self.0.set_finish(None);
        self.0.set_training(false);
        self.0.set_loss_scale(1.0);
        self.0.set_batch(Counts::default());
    }
}

/// The advice for values that leave their range.
const ADVICE: &str = "lower the learning rate or set grad_clip; for IVON, raise hess_init or weight_decay, or set clip_radius";

/// Refuses a configuration value.
pub(super) fn require(holds: bool, key: &str, value: impl std::fmt::Display, expected: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::config(format!("{key} is {value}: it must be {expected}"))) }
}

/// Refuses a learning rate that is not one.
pub(super) fn check_lr(lr: f64) -> Result<()> {
    require(lr >= 0.0 && lr.is_finite(), "the learning rate", lr, "zero or a positive number")
}
