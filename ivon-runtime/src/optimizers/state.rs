//! The state of a model in training: one flat buffer per kind, and the counters from which everything else follows.

use crate::context::Context;
use crate::context::flat::{Entry, Flat, Layout, Values, ValuesMut};
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::memory::room;
use crate::optimizers::gpu::Gpu;
use crate::optimizers::watch::Watch;
use crate::posterior::pass;
use crate::tensor::noise;
use crate::tensor::noise::Noise;
use crate::tensor::parameter::{Init, Model, Parameter};
use std::rc::Rc;

/// Everything that training changes. [`State::seed`], [`State::step`], [`State::buffers`] and [`State::running_statistics`] are what a
/// checkpoint has to keep: the sample is drawn again from them, and the gradient is zero between two steps.
pub struct State {
    layout: Rc<Layout>,
    seed: u64,
    step: u32,
    buffers: Vec<(&'static str, Flat)>,
    /// The weights that the model computes with: the sample of an optimizer that samples, else the mean.
    pub(crate) weights: Flat,
    /// The sums that backward passes add to; zero between two steps.
    pub(crate) gradient: Flat,
    /// The values of the model's buffers, f32.
    pub(crate) running: Flat,
    /// True if the weights are a buffer of their own rather than the mean itself.
    pub(crate) own_weights: bool,
    /// On a GPU: the buffers there, which those here are copies of, made when somebody looks.
    pub(crate) gpu: Option<Rc<Gpu>>,
    /// The memory of the signs that a run goes wrong.
    pub(crate) watch: Watch,
    /// Weight decay of each parameter, where the optimizer's posterior has one: delta of IVON.
    pub(crate) decays: Rc<[f64]>,
    /// True if the weight decays change in training: a checkpoint brings them back.
    pub(crate) fitted: bool,
}

impl State {
    /// The state before the first step: the mean as each parameter's [`Init`] says, drawn from `seed`; everything in `more` zero.
    /// `sampled` gives the weights a buffer of their own.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub(crate) fn new(model: &impl Model, seed: u64, dtype: DType, more: &[&'static str], sampled: bool) -> Result<State> {
        let layout = Layout::of(model);
        let own_weights = sampled || dtype != DType::F32;
        let names = [&["mean"], more].concat();
        let f32s = names.iter().map(|_| DType::F32);
        let all = f32s.chain(own_weights.then_some(dtype)).chain([dtype.sums()]);
        room::check(all.fold(0, |sum: usize, dtype| sum.saturating_add(Flat::bytes_of(&layout, dtype))))?;
        let buffers = names.into_iter().map(|name| Ok((name, Flat::zeros(&layout, DType::F32)?))).collect::<Result<Vec<_>>>()?;
        let weights = if own_weights { Flat::zeros(&layout, dtype)? } else { buffers[0].1.share() };
        let gradient = Flat::zeros(&layout, dtype.sums())?;
        let running = running_statistics(model)?;
        let mut state = State {
            layout,
            seed,
            step: 0,
            buffers,
            weights,
            gradient,
            running,
            own_weights,
            gpu: None,
            watch: Watch::default(),
            decays: [].into(),
            fitted: false,
        };
        state.start()?;
        Ok(state)
    }

    /// Draws the initial mean.
    fn start(&mut self) -> Result<()> {
        let noise = Noise::of(self.seed, noise::INITIAL, 0);
        let layout = self.layout.clone();
        let entries = layout.entries();
        let mut mean = self.buffers[0].1.values_mut::<f32>()?;
        pass::for_parts(&layout, &mut *mean, |i, start, out| match spread(&entries[i].parameter) {
            Spread::Constant(value) => out.fill(value as f32),
            Spread::Normal(std) => {
                noise.fill_normals(start, out);
                out.iter_mut().for_each(|x| *x = (*x as f64 * std) as f32);
            }
            Spread::Uniform(bound) => noise.fill_uniform(start, bound, out),
        });
        Ok(())
    }

    /// Moves to where the context computes.
    pub(crate) fn move_to(&mut self, cx: &Context) -> Result<()> {
        let Some(gpu) = Gpu::new(cx, &self.layout, self.buffers.len(), self.running.layout())? else { return Ok(()) };
        self.weights = match gpu.buffers.first() {
            Some(mean) if !self.own_weights => mean.share(),
            _ => Flat::zeros_in(cx, &self.layout, cx.dtype())?,
        };
        self.gradient = Flat::zeros_in(cx, &self.layout, cx.dtype())?;
        self.gpu = Some(Rc::new(gpu));
        Ok(())
    }

    /// Brings what the accessors below give up to date, where the state lives on a GPU. They do that by themselves, but cannot give an error.
    ///
    /// # Errors
    /// If the GPU is lost, or the last update went out of range.
    pub fn fetch(&self) -> Result<()> {
        let Some(gpu) = &self.gpu else { return Ok(()) };
        if gpu.found()?.is_some() {
            let message =
                "the update went out of range on the GPU: the state is not to be kept; the next step says what is wrong";
            return Err(Error::value(format!("step {}", self.step), message));
        }
        gpu.refresh(&self.buffers, &self.running)
    }

    fn fetched(&self) {
        if let Some(Err(error)) = self.gpu.as_ref().map(|gpu| gpu.refresh(&self.buffers, &self.running)) {
            panic!("{error}");
        }
    }

    /// The position of each parameter in the flat buffers.
    pub fn layout(&self) -> &Rc<Layout> {
        &self.layout
    }

    /// The seed of the run: the key of all its noise.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Updates done so far.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Sets the seed; to be used inside `Optimizer::restore`.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Sets the number of updates done; to be used inside `Optimizer::restore`.
    pub fn set_step(&mut self, step: u32) {
        self.step = step;
    }

    /// Weight decay of each parameter, in declaration order; empty without a posterior.
    pub fn decays(&self) -> &[f64] {
        &self.decays
    }

    /// The buffers by name, `mean` first: `hessian`, `momentum` (IVON), `momentum`, `variance` (AdamW), `momentum` (SGD).
    ///
    /// # Panics
    /// If they lie on a GPU that is lost; [`State::fetch`] gives an error then. If something may write them meanwhile: a tensor of an update rule
    /// that is still held. The same holds for every look at a buffer.
    pub fn buffers(&self) -> impl ExactSizeIterator<Item = (&'static str, Values<'_, f32>)> {
        self.fetched();
        self.buffers.iter().map(|(name, flat)| (*name, flat.as_slice::<f32>()))
    }

    /// A buffer with its padding; empty if there is none of that name.
    pub fn buffer(&self, name: &str) -> Values<'_, f32> {
        self.fetched();
        self.flat(name).map_or_else(|| self.buffers[0].1.no_values(), |flat| flat.as_slice::<f32>())
    }

    /// A buffer to be written; to be used inside `Optimizer::restore`.
    ///
    /// # Errors
    /// If there is none of that name, or a tensor or a slice of it is still held.
    pub fn buffer_mut(&mut self, name: &str) -> Result<ValuesMut<'_, f32>> {
        if let Some(gpu) = &self.gpu {
            gpu.refresh(&self.buffers, &self.running)?;
            gpu.will_be_written();
        }
        let known = self.buffers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("`, `");
        match self.buffers.iter_mut().find(|(n, _)| *n == name) {
            Some((name, flat)) => {
                flat.check_free(name)?;
                flat.values_mut()
            }
            None => Err(Error::config(format!("the state has no buffer `{name}`: it has `{known}`"))),
        }
    }

    /// A buffer without padding: all parameters in declaration order.
    pub fn unpadded(&self, name: &str) -> Vec<f32> {
        let flat = self.buffer(name);
        self.layout.entries().iter().filter(|_| !flat.is_empty()).flat_map(|e| &flat[e.range()]).copied().collect()
    }

    /// The mean.
    pub fn mean(&self) -> Values<'_, f32> {
        self.fetched();
        self.buffers[0].1.as_slice()
    }

    /// The values of the model's buffers (running statistics), with padding: where each lies says [`State::running_layout`].
    pub fn running_statistics(&self) -> Values<'_, f32> {
        self.fetched();
        self.running.as_slice()
    }

    /// The running statistics to be written; to be used inside `Optimizer::restore`.
    ///
    /// # Errors
    /// If a tensor or a slice of them is still held.
    pub fn running_statistics_mut(&mut self) -> Result<ValuesMut<'_, f32>> {
        self.running.check_free("running statistics")?;
        if let Some(gpu) = &self.gpu {
            gpu.refresh(&self.buffers, &self.running)?;
            gpu.will_be_written();
        }
        self.running.values_mut()
    }

    /// The position of each of the model's buffers. It has no entries if the model has no buffers.
    pub fn running_layout(&self) -> &Rc<Layout> {
        self.running.layout()
    }

    /// The cost of an update with this many operations for each element: buffers and gradient are read and written, and weights of their own written.
    pub(crate) fn cost_of_update(&self, operations: usize) -> Cost {
        let own = if self.own_weights { self.weights.bytes() } else { 0 };
        let buffers: usize = self.buffers.iter().map(|(_, buffer)| buffer.bytes()).sum();
        Cost::flops(operations * self.layout.elements()).moves(2 * (buffers + self.gradient.bytes()) + own)
    }

    /// Bytes of all buffers, the weights and the gradient.
    pub fn bytes(&self) -> usize {
        let own = if self.own_weights { self.weights.bytes() } else { 0 };
        self.buffers.iter().map(|(_, flat)| flat.bytes()).sum::<usize>() + own + self.gradient.bytes() + self.running.bytes()
    }

    /// The running statistics, as a copy that is up to date.
    pub(crate) fn running_copy(&self) -> &Flat {
        self.fetched();
        &self.running
    }

    /// The running statistics where the model computes.
    pub(crate) fn running_at_work(&self) -> &Flat {
        self.gpu.as_ref().map_or(&self.running, |gpu| &gpu.running)
    }

    /// The buffer of this name where the model computes.
    pub(crate) fn at_work(&self, name: &str) -> Option<&Flat> {
        match &self.gpu {
            Some(gpu) => self.buffers.iter().position(|(n, _)| *n == name).and_then(|i| gpu.buffers.get(i)),
            None => self.flat(name),
        }
    }

    pub(crate) fn flat(&self, name: &str) -> Option<&Flat> {
        self.buffers.iter().find(|(n, _)| *n == name).map(|(_, flat)| flat)
    }

    /// All buffers to be written in one pass: those of the state in order, the weights, the gradient.
    pub(crate) fn parts_mut(&mut self) -> (&mut [(&'static str, Flat)], &mut Flat, &mut Flat) {
        (&mut self.buffers, &mut self.weights, &mut self.gradient)
    }

    /// The buffers on a GPU that every update writes, but for the gradient.
    pub(crate) fn written_by_update(&self, gpu: &Gpu) -> Vec<(&'static str, Flat)> {
        let buffers = self.buffers.iter().zip(&gpu.buffers).map(|((name, _), flat)| (*name, flat.share()));
        let sum = gpu.sum.get().map(|sum| ("sum of micro-batches", sum.share()));
        buffers.chain([("weights", self.weights.share())]).chain(sum).collect()
    }

    /// Brings the GPU up to date with what was written here.
    pub(crate) fn catch_up(&self) -> Result<()> {
        self.gpu.as_ref().map_or(Ok(()), |gpu| gpu.catch_up(&self.buffers, &self.running))
    }

    /// Refuses to go on while a tensor or a slice of what is about to be written exists.
    ///
    /// # Errors
    /// Names the buffer and the parameter.
    pub(crate) fn check_free(&self) -> Result<()> {
        self.buffers.iter().try_for_each(|(name, flat)| flat.check_free(name))?;
        self.running.check_free("running statistics")?;
        self.weights.check_free("weights")?;
        self.gradient.check_free("gradient")
    }
}

/// A model's running statistics as they start: as each buffer's `#[buffer(init = ..)]` says. For contexts of one's own
/// ([`Context::set_running_statistics`](crate::context::Context::set_running_statistics)); an optimizer has its own.
///
/// # Errors
/// If there is not so much memory.
pub fn running_statistics(model: &impl Model) -> Result<Flat> {
    let mut running = Flat::zeros(&Layout::of_buffers(model), DType::F32)?;
    let layout = running.layout().clone();
    let mut values = running.values_mut::<f32>()?;
    for entry in layout.entries() {
        // The compiler lets a buffer start from a constant alone.
        if let Spread::Constant(value) = spread(&entry.parameter) {
            values[entry.range()].fill(value as f32);
        }
    }
    drop(values);
    Ok(running)
}

/// An [`Init`] with its numbers worked out for a shape.
#[derive(Clone, Copy)]
enum Spread {
    Constant(f64),
    Normal(f64),
    Uniform(f64),
}

fn spread(parameter: &Parameter) -> Spread {
    let shape = parameter.shape();
    let fan_in = fan_in(shape);
    match parameter.init() {
        Init::Zeros => Spread::Constant(0.0),
        Init::Ones => Spread::Constant(1.0),
        Init::Constant(value) => Spread::Constant(value),
        Init::Normal(std) => Spread::Normal(std),
        Init::Uniform(bound) => Spread::Uniform(bound),
        Init::KaimingNormal => Spread::Normal((2.0 / fan_in).sqrt()),
        Init::KaimingUniform => Spread::Uniform(1.0 / fan_in.sqrt()),
        Init::XavierUniform => {
            // Each output sees dimension 0 through every place of the kernel (dimensions 2 and up).
            let fan_out = shape.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, d)| *d).product::<usize>() as f64;
            Spread::Uniform((6.0 / (fan_in + fan_out)).sqrt())
        }
    }
}

/// The mean square of the elements that a parameter starts with.
pub(crate) fn mean_square(parameter: &Parameter) -> f64 {
    match spread(parameter) {
        Spread::Constant(x) | Spread::Normal(x) => x * x,
        Spread::Uniform(bound) => bound * bound / 3.0,
    }
}

/// The weight decay of each parameter: its own, or what `otherwise` returns for it; 0 for a frozen one.
pub(crate) fn weight_decays(layout: &Layout, otherwise: impl Fn(&Parameter) -> f64) -> Vec<f64> {
    let decay = |e: &Entry| match e.parameter.weight_decay() {
        _ if e.parameter.frozen() => 0.0,
        own => own.unwrap_or_else(|| otherwise(&e.parameter)),
    };
    layout.entries().iter().map(decay).collect()
}

/// Weight decay on tensors of two or more dimensions and 0 on the rest.
pub(crate) fn on_matrices(weight_decay: f64) -> impl Fn(&Parameter) -> f64 {
    move |parameter| if parameter.shape().rank() >= 2 { weight_decay } else { 0.0 }
}

/// Elements over the first dimension: the inputs of one output of a linear layer or a convolution.
pub(crate) fn fan_in(shape: &Shape) -> f64 {
    shape.iter().skip(1).product::<usize>().max(1) as f64
}
