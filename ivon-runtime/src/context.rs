//! What a forward or backward pass runs in: the device, the memory plan, the weights in use and the gradient buffer.

use crate::adjoint::Adjoint;
use crate::cache::Cache;
use crate::device::Device;
use crate::device::cuda::{Arg, Cuda, Fill, Replays, Trail};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::matmul::Precision;
use crate::memory::{Arena, Block, MOST_BYTES, Plan, Pool, Recorder, Run, StepKey};
use crate::ops;
use crate::optimizers::card::Finish;
use crate::parameter::{Buffer, Parameter};
use crate::profile::{Observer, Phase};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::threads;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

/// The randomness of one forward pass, for dropout: which seed, which step, which pass of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pass {
    /// Seed of the run.
    pub seed: u64,
    /// The step, counted from 1; 0 outside training.
    pub step: u32,
    /// The pass of the step: sample · micro-batches + micro-batch.
    pub pass: u32,
}

/// The randomness of one op in one pass: a Philox key and the upper half of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Philox key.
    pub key: [u32; 2],
    /// Upper half of the Philox counter.
    pub counter: [u32; 2],
}

/// What a forward or backward pass runs in.
pub struct Context {
    cuda: Option<Rc<Cuda>>,
    dtype: DType,
    precision: Precision,
    training: Cell<bool>,
    loss_scale: Cell<f64>,
    pass: Cell<Pass>,
    streams: Cell<u32>,
    weights: RefCell<Option<Flat>>,
    gradient: RefCell<Option<Flat>>,
    running: RefCell<Option<Flat>>,
    pool: Pool,
    arena: Arena,
    plans: RefCell<Vec<Planned>>,
    memory: RefCell<Memory>,
    cache: RefCell<Option<Cache>>,
    replays: Replays,
    /// What follows the backward pass of the step that is being taken; whether it may be a part of its graph.
    finish: RefCell<Finishing>,
    update_in_graph: Cell<bool>,
    /// What a dry run has launched so far, while somebody wants to know.
    trail: Cell<Option<Trail>>,
    /// Step and pass on the card, where graphs read them; whether they are what they should be.
    counters: OnceCell<Rc<Block>>,
    counted: Cell<bool>,
    observer: RefCell<Option<Observer>>,
}

/// How far a step on a card has come with what follows its backward pass.
#[derive(Clone, Default)]
pub(crate) enum Finishing {
    /// It is the optimizer's affair.
    #[default]
    Apart,
    /// It is to be a part of the next gradient.
    Asked(Rc<Finish>),
    /// It was.
    Done,
}

/// What a plan was made for. There are few, so they are looked for one by one.
struct Planned {
    name: &'static str,
    /// The last few steps that it was used for: other settings may well ask for the same memory.
    keys: Vec<StepKey>,
    training: bool,
    gradient: bool,
    shapes: Vec<Shape>,
    run: Rc<Run>,
}

impl Planned {
    /// Whoever changes a setting in every step gets a dry run for each: keep few.
    const KEYS: usize = 16;

    fn remember(&mut self, key: StepKey) {
        if self.keys.len() == Planned::KEYS {
            self.keys.remove(0);
        }
        self.keys.push(key);
    }
}

enum Memory {
    Pooled,
    Recording(Rc<Recorder>),
    Replaying(Rc<Run>),
}

impl Context {
    /// A context that computes in `dtype`: f32, bf16 (on the processor: weights and products of bf16, and f32 for the rest), or f64 for the
    /// reference implementation. The first one makes the thread that calls one of the global rayon pool, unless that is in use already.
    ///
    /// # Errors
    /// If the type is not one to compute in on this device, or the device cannot be used: what is missing and how to get it.
    pub fn new(device: Device, dtype: DType) -> Result<Context> {
        match (device, dtype) {
            (_, DType::U32) => return Err(Error::config("a model computes in f32, f64 or bf16, not in ids")),
            (Device::Cuda(_), DType::F64) => {
                return Err(Error::config(
                    "f64 is the reference implementation, for the processor alone: compute in f32 on a card",
                ));
            }
            _ => {}
        }
        threads::join_pool();
        let cuda = match device {
            Device::Cpu => None,
            Device::Cuda(ordinal) => Some(Cuda::open(ordinal)?),
        };
        Ok(Context {
            // On the processor only weights and products are of bf16.
            dtype: if device == Device::Cpu { dtype.sums() } else { dtype },
            precision: if dtype == DType::Bf16 { Precision::Bf16 } else { Precision::F32 },
            training: Cell::new(false),
            loss_scale: Cell::new(1.0),
            pass: Cell::default(),
            streams: Cell::new(0),
            weights: RefCell::new(None),
            gradient: RefCell::new(None),
            running: RefCell::new(None),
            pool: Pool::new(cuda.clone()),
            arena: Arena::new(cuda.clone()),
            cuda,
            plans: RefCell::default(),
            memory: RefCell::new(Memory::Pooled),
            cache: RefCell::new(None),
            replays: Replays::default(),
            finish: RefCell::default(),
            update_in_graph: Cell::new(false),
            trail: Cell::new(None),
            counters: OnceCell::new(),
            counted: Cell::new(false),
            observer: RefCell::default(),
        })
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.cuda.as_ref().map_or(Device::Cpu, |cuda| cuda.device())
    }

    /// The card it computes on, if it does not compute on the processor.
    pub fn cuda(&self) -> Option<&Rc<Cuda>> {
        self.cuda.as_ref()
    }

    /// The type of activations: f32, f64, or, on a card, bf16.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// How it multiplies matrices.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// An input of a model in the type that ops expect: f32 becomes bf16 where a card computes in that; everything else is given back as it is.
    /// Methods that end in `_gradient` do this themselves.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn input(&self, x: &Tensor) -> Result<Tensor> {
        match (x.dtype(), self.dtype) {
            (DType::F32, DType::Bf16) => ops::narrow(self, x),
            _ => Ok(x.clone()),
        }
    }

    // ---- weights -----------------------------------------------------------------------------------------------

    /// The weights that [`Context::sample`] reads from now on: a sample of the posterior, or its mean.
    pub fn set_weights(&self, weights: &Flat) {
        *self.weights.borrow_mut() = Some(weights.share());
    }

    /// The buffer that backward passes add gradients to; without one they compute none.
    pub fn set_gradient(&self, gradient: Option<&Flat>) {
        *self.gradient.borrow_mut() = gradient.map(Flat::share);
    }

    /// The weights of a parameter in this pass: theta = mean + sigma · noise, or the mean where the mean is in use. In the type that they are
    /// stored in: what an argument `Weight<..>` of an op takes.
    ///
    /// # Errors
    /// If no weights were set, or those of another model.
    pub fn weight(&self, parameter: &Parameter) -> Result<Tensor> {
        let weights = self.weights.borrow();
        let Some(weights) = weights.as_ref() else {
            return Err(Error::config(format!("`{}` has no weights here: call `set_weights` first", parameter.name())));
        };
        Self::check(weights, parameter)?;
        weights.check_free(parameter.name(), false)?;
        Ok(weights.tensor(parameter).lent())
    }

    /// [`Context::weight`] in the type of activations: for ops that know no other.
    ///
    /// # Errors
    /// As [`Context::weight`].
    pub fn sample(&self, parameter: &Parameter) -> Result<Tensor> {
        let weight = self.weight(parameter)?;
        if weight.dtype() == self.dtype { Ok(weight) } else { ops::widen(self, &weight) }
    }

    /// [`Context::sample`] for a parameter that may be absent.
    ///
    /// # Errors
    /// As [`Context::sample`].
    pub fn sample_if(&self, parameter: Option<&Parameter>) -> Result<Option<Tensor>> {
        parameter.map(|p| self.sample(p)).transpose()
    }

    /// Where the gradient of a parameter is added up; nowhere for frozen and absent ones.
    ///
    /// # Errors
    /// If the gradient buffer is that of another model.
    pub fn gradient<'a>(&self, parameter: impl Into<Option<&'a Parameter>>) -> Result<Adjoint> {
        match (self.gradient.borrow().as_ref(), parameter.into()) {
            (Some(gradient), Some(parameter)) if !parameter.frozen() => {
                Self::check(gradient, parameter)?;
                gradient.check_free(parameter.name(), true)?;
                Ok(Adjoint::of(gradient.tensor(parameter)))
            }
            _ => Ok(Adjoint::skip()),
        }
    }

    fn check(flat: &Flat, parameter: &Parameter) -> Result<()> {
        let found = flat.layout().entries().get(parameter.index()).map(|e| &e.parameter);
        match found {
            Some(p) if p.name() == parameter.name() && p.shape() == parameter.shape() => Ok(()),
            _ => Err(Error::config(format!(
                "`{}` {} is not a parameter of the model whose weights are in use",
                parameter.name(),
                parameter.shape()
            ))),
        }
    }

    // ---- running statistics ------------------------------------------------------------------------------------

    /// The values of the model's buffers, in the layout of [`Layout::of_buffers`](crate::Layout::of_buffers), f32.
    pub fn set_running_statistics(&self, running: Option<&Flat>) {
        *self.running.borrow_mut() = running.map(Flat::share);
    }

    /// The values of a buffer, f32 whatever the context computes in, to be read. An op keeps no handle on it beyond its call: the next
    /// pass may write there.
    ///
    /// # Errors
    /// If no running statistics were set, or those of another model.
    pub fn running(&self, buffer: &Buffer) -> Result<Tensor> {
        Ok(self.place(buffer)?.lent())
    }

    /// The values of a buffer, f32, to be read and written: a gradient pass in training keeps it up to date. `None` in any other pass
    /// (evaluation, a dry run), which leaves it as it is.
    ///
    /// # Errors
    /// As [`Context::running`]; and if a tensor on the buffer is still held.
    pub fn update_running(&self, buffer: &Buffer) -> Result<Option<Tensor>> {
        if !self.training() || self.gradient.borrow().is_none() || self.planning() {
            return Ok(None);
        }
        let place = self.place(buffer)?;
        self.running.borrow().as_ref().map_or(Ok(()), |running| running.check_free(buffer.name(), true))?;
        if !place.is_unique() {
            return Err(Error::value(buffer.name(), "a tensor on this buffer is still held, and the pass is about to write it"));
        }
        Ok(Some(place))
    }

    fn place(&self, buffer: &Buffer) -> Result<Tensor> {
        let running = self.running.borrow();
        let Some(running) = running.as_ref() else {
            let message = format!("`{}` has no values here: call `set_running_statistics` first", buffer.name());
            return Err(Error::config(message));
        };
        running.check_free(buffer.name(), false)?;
        match running.layout().entries().get(buffer.index()) {
            Some(e) if e.parameter.name() == buffer.name() && e.parameter.shape() == buffer.shape() => Ok(running.buffer(buffer)),
            _ => Err(Error::config(format!(
                "`{}` {} is not a buffer of the model whose running statistics are in use",
                buffer.name(),
                buffer.shape()
            ))),
        }
    }

    // ---- the pass ----------------------------------------------------------------------------------------------

    /// Whether dropout drops.
    pub fn training(&self) -> bool {
        self.training.get()
    }

    /// Switches dropout on or off.
    pub fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    /// What the gradient of the loss with respect to itself is: 1, or 1 / micro-batches.
    pub fn loss_scale(&self) -> f64 {
        self.loss_scale.get()
    }

    /// Sets [`Context::loss_scale`].
    pub fn set_loss_scale(&self, scale: f64) {
        self.loss_scale.set(scale);
    }

    /// Begins a pass with randomness of its own.
    pub fn set_pass(&self, pass: Pass) {
        self.pass.set(pass);
        self.streams.set(0);
        self.counted.set(false);
    }

    /// Randomness for one op call; the next call gets another one. An op that needs it again in its backward pass keeps the
    /// [`Stream`], not the numbers.
    pub fn stream(&self) -> Stream {
        let Pass { seed, step, pass } = self.pass.get();
        let call = self.streams.replace(self.streams.get() + 1);
        // Another key than that of the posterior's noise, which is the seed itself.
        let key = [seed as u32 ^ 0xD00D_5EED, (seed >> 32) as u32 ^ call.wrapping_mul(0x9E37_79B9)];
        Stream { key, counter: [step, pass] }
    }

    /// For a kernel on the card: where the upper half of the Philox counters lies, two `uint32_t`, which change from step to step. The key is an
    /// argument like any other.
    ///
    /// # Errors
    /// If the card is lost.
    pub fn counters(&self) -> Result<Arg<'static>> {
        if self.planning() {
            return Ok(Arg::U64(0));
        }
        self.upload_counters()?;
        let counters = self.counters.get().and_then(|block| block.on_card());
        Ok(Arg::U64(counters.map_or(0, |(_, address)| address)))
    }

    /// Brings step and pass to the card, if they are not there.
    pub(crate) fn upload_counters(&self) -> Result<()> {
        let Some(cuda) = &self.cuda else { return Ok(()) };
        if self.counted.get() {
            return Ok(());
        }
        let block = match self.counters.get() {
            Some(block) => block,
            None => {
                let fresh = Rc::new(Block::zeroed(Some(cuda), 8, 0)?);
                self.counters.get_or_init(|| fresh)
            }
        };
        let Pass { step, pass, .. } = self.pass.get();
        let bytes = [step.to_le_bytes(), pass.to_le_bytes()].concat();
        let address = block.on_card().map_or(0, |(_, address)| address);
        // SAFETY: the block has eight bytes, which kernels read in the order of the stream.
        unsafe { cuda.upload(&bytes, address)? };
        self.counted.set(true);
        Ok(())
    }

    /// Has so many more streams been asked for; how many there were before.
    pub(crate) fn skip_streams(&self, count: u32) -> u32 {
        self.streams.replace(self.streams.get() + count)
    }

    pub(crate) fn set_streams(&self, count: u32) {
        self.streams.set(count);
    }

    // ---- positions seen before ----------------------------------------------------------------------------------

    /// Runs one pass over the positions that follow those in `cache`: causal attention looks at them too, and the cache takes the new ones in. The
    /// model has to be told where they are, if it asks (learned positions).
    ///
    /// # Errors
    /// Those of `step`, and if it does not fit what the cache holds. The cache is empty then.
    pub fn cached<R>(&self, cache: &mut Cache, step: impl FnOnce(&Context) -> Result<R>) -> Result<R> {
        cache.begin();
        let outer = self.cache.replace(Some(std::mem::replace(cache, Cache::new(0))));
        let result = step(self);
        if let Some(used) = self.cache.replace(outer) {
            *cache = used;
        }
        let result = result.and_then(|r| cache.end().map(|()| r));
        result.inspect_err(|_| *cache = Cache::new(cache.capacity()))
    }

    /// The cache of the pass, if it runs inside of [`Context::cached`].
    pub(crate) fn cache(&self) -> std::cell::RefMut<'_, Option<Cache>> {
        self.cache.borrow_mut()
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    /// Whether this is a dry run: an op allocates what it would allocate and returns before it touches memory.
    pub fn planning(&self) -> bool {
        matches!(&*self.memory.borrow(), Memory::Recording(_))
    }

    /// A tensor of the compute type with undefined content.
    ///
    /// # Errors
    /// If there is not so much memory; in a planned run, if the step allocates another sequence than in its dry run.
    #[track_caller]
    pub fn empty(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.empty_of(self.dtype, shape)
    }

    /// A tensor of any type with undefined content.
    ///
    /// # Errors
    /// As [`Context::empty`].
    #[track_caller]
    pub fn empty_of(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.elements().saturating_mul(dtype.bytes());
        if bytes > MOST_BYTES {
            return Err(Block::too_large(bytes));
        }
        let block = match &*self.memory.borrow() {
            Memory::Pooled => self.pool.block(bytes)?,
            Memory::Recording(recorder) => Rc::new(Block::ghost(bytes, recorder)),
            Memory::Replaying(run) => run.block(bytes)?,
        };
        Ok(Tensor::on(block, shape, dtype))
    }

    /// A tensor of zeros of the compute type, in memory of its own that outlives planned runs.
    pub(crate) fn kept(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.elements().saturating_mul(self.dtype.bytes());
        Ok(Tensor::on(Rc::new(Block::zeroed(self.cuda.as_ref(), bytes, 0)?), shape, self.dtype))
    }

    /// A tensor of zeros of the compute type.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn zeros(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.filled(shape, 0.0)
    }

    /// Runs `step` in planned memory. The first time for a key (a name will do, see [`StepKey`]) and shapes, a dry run (shapes only, no arithmetic) records what
    /// it allocates, and a plan packs that into the arena; every later run uses the same addresses.
    ///
    /// Nothing that `step` returns may hold one of its tensors: take numbers out with [`Tensor::item`] or copy them.
    /// Inside another planned run, `step` is a part of that one.
    ///
    /// # Errors
    /// Those of `step`; and if a tensor of an earlier planned run is still held.
    pub fn planned<R>(&self, key: impl Into<StepKey>, inputs: &[&Tensor], step: impl Fn(&Context) -> Result<R>) -> Result<R> {
        let key = key.into();
        let name = key.name();
        if !matches!(&*self.memory.borrow(), Memory::Pooled) {
            return step(self);
        }
        if self.arena.is_held() {
            return Err(Error::value(
                name,
                "a tensor of an earlier step is still held, and its memory is about to be used again: take its values with \
                 `item` or `to_f64` instead of keeping it",
            ));
        }
        let (training, gradient) = (self.training(), self.gradient.borrow().is_some());
        let same = |p: &&Planned| {
            let shapes = p.shapes.iter().eq(inputs.iter().map(|t| t.shape()));
            p.name == name && p.training == training && p.gradient == gradient && shapes
        };
        let known = self.plans.borrow().iter().filter(same).find(|p| p.keys.contains(&key)).map(|p| p.run.clone());
        let run = match known {
            Some(run) => run,
            None => {
                let plan = self.plan(&step)?;
                let mut plans = self.plans.borrow_mut();
                match plans.iter_mut().find(|p| same(&&**p) && p.run.plan.lifetimes == plan.lifetimes) {
                    Some(p) => {
                        p.remember(key);
                        p.run.clone()
                    }
                    None => {
                        if let Some(cuda) = &self.cuda {
                            cuda.check_room(name, plan.bytes, self.arena.bytes(), inputs)?;
                        }
                        let run = self.arena.add(plan)?;
                        let shapes = inputs.iter().map(|t| *t.shape()).collect();
                        plans.push(Planned { name, keys: vec![key], training, gradient, shapes, run: run.clone() });
                        run
                    }
                }
            }
        };
        run.start();
        let result = self.with_memory(Memory::Replaying(run.clone()), || step(self));
        if run.departed() {
            self.plans.borrow_mut().retain(|p| !Rc::ptr_eq(&p.run, &run));
            self.arena.remove(&run);
        }
        result
    }

    /// The value of `forward` and its gradient: `backward` is given what the forward pass saved and [`Context::loss_scale`], the gradient of the
    /// loss, and adds to the gradients of the parameters. Both run in planned memory, as in [`Context::planned`]; on a card as graphs, after the
    /// first few steps of a shape.
    ///
    /// # Errors
    /// Those of `forward` and `backward`, and of [`Context::planned`].
    pub fn differentiated<S>(
        &self,
        key: impl Into<StepKey>,
        inputs: &[&Tensor],
        forward: impl Fn(&Context) -> Result<(Tensor, S)>,
        backward: impl Fn(&Context, S, Tensor) -> Result<()>,
    ) -> Result<f64> {
        let key = key.into();
        let outermost = matches!(&*self.memory.borrow(), Memory::Pooled);
        if let Some(cuda) = self.cuda.as_ref().filter(|_| outermost) {
            return self.replays.differentiated(self, cuda, (key, inputs), forward, backward);
        }
        self.planned(key, inputs, |cx| {
            let phase = cx.phase(Phase::Forward);
            let (value, saved) = forward(cx)?;
            drop(phase);
            let _phase = cx.phase(Phase::Backward);
            let d_value = cx.filled([], cx.loss_scale())?;
            backward(cx, saved, d_value)?;
            value.item()
        })
    }

    /// What a dry run of `step` launches, as a number; and for how many streams it asks.
    pub(crate) fn trail(&self, step: impl FnOnce(&Context) -> Result<()>) -> Result<(Trail, u32)> {
        let streams = self.streams.get();
        let arena = self.arena.address();
        self.trail
            .set(Some([arena, self.loss_scale().to_bits(), self.training() as u64].into_iter().fold(Trail::new(0), Trail::and)));
        let result = self.with_memory(Memory::Recording(Rc::new(Recorder::default())), || step(self));
        let trail = self.trail.take().unwrap_or(Trail::new(0));
        let asked = self.streams.replace(streams) - streams;
        result.map(|()| (trail, asked))
    }

    /// A dry run has come to a launch: adds it to the trail, if there is one.
    pub(crate) fn launched(&self, leave: impl FnOnce(Trail) -> Trail) {
        if let Some(trail) = self.trail.get() {
            self.trail.set(Some(leave(trail)));
        }
    }

    /// Who looks at what is done; nobody at a dry run, which does nothing.
    pub(crate) fn observer(&self) -> Option<Observer> {
        let observer = self.observer.borrow();
        observer.as_ref().filter(|_| !self.planning()).cloned()
    }

    /// Whether somebody looks.
    pub(crate) fn observed(&self) -> bool {
        self.observer.borrow().is_some()
    }

    /// Another observer from now on; the one before.
    pub(crate) fn set_observer(&self, observer: Option<Observer>) -> Option<Observer> {
        self.observer.replace(observer)
    }

    /// How many different steps were captured as graphs so far.
    pub fn graphs(&self) -> usize {
        self.replays.captured()
    }

    /// Runs steps on a card kernel by kernel from now on (`false`), or as graphs again.
    pub fn set_graphs(&self, on: bool) {
        self.replays.set_off(!on);
    }

    /// Lets the update of a step on a card be a part of the graph of its last backward pass, so that the whole step is two launches: for those
    /// who ask for one gradient, and nothing after it, wherever an optimizer calls their function. A second gradient is refused then, because the
    /// weights have moved on already. Off at first; without effect on the processor.
    pub fn set_update_in_graph(&self, on: bool) {
        self.update_in_graph.set(on);
    }

    /// What follows the backward pass of the next gradient.
    pub(crate) fn set_finish(&self, finish: Option<Rc<Finish>>) {
        let asked = finish.filter(|_| self.update_in_graph.get());
        *self.finish.borrow_mut() = asked.map_or(Finishing::Apart, Finishing::Asked);
    }

    pub(crate) fn finishing(&self) -> Finishing {
        self.finish.borrow().clone()
    }

    pub(crate) fn finished(&self) {
        *self.finish.borrow_mut() = Finishing::Done;
    }

    /// What `step` would need, from a dry run: shapes only, no arithmetic, no memory.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn plan<R>(&self, step: impl FnOnce(&Context) -> Result<R>) -> Result<Plan> {
        let recorder = Rc::new(Recorder::default());
        let streams = self.streams.get();
        drop(self.with_memory(Memory::Recording(recorder.clone()), || step(self))?);
        self.streams.set(streams);
        Ok(recorder.plan())
    }

    fn with_memory<R>(&self, memory: Memory, step: impl FnOnce() -> R) -> R {
        /// Back to the pool, also when `step` panics.
        struct Restore<'a>(&'a RefCell<Memory>);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                *self.0.borrow_mut() = Memory::Pooled;
            }
        }
        *self.memory.borrow_mut() = memory;
        let _restore = Restore(&self.memory);
        step()
    }

    /// A tensor of the compute type with this value everywhere.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn filled(&self, shape: impl Into<Shape>, value: f64) -> Result<Tensor> {
        let mut filled = self.empty(shape)?;
        match &self.cuda {
            _ if self.planning() => {
                filled.is_launched();
                self.launched(|trail| trail.and(value.to_bits()).and(filled.place()));
            }
            Some(cuda) => {
                let bits = (value as f32).to_bits();
                let fill = match self.dtype {
                    DType::Bf16 => Fill::Half(half::bf16::from_f64(value).to_bits()),
                    _ => Fill::Word(bits),
                };
                let count = filled.shape().elements();
                // SAFETY: the tensor has so many elements of this type, and this is its only handle.
                unsafe { cuda.fill(filled.address_mut(self)?, fill, count)? };
            }
            None => match self.dtype {
                DType::F64 => filled.as_mut_slice::<f64>().fill(value),
                _ => filled.as_mut_slice::<f32>().fill(value as f32),
            },
        }
        Ok(filled)
    }

    /// The memory plans made so far: name and plan.
    pub fn plans(&self) -> Vec<(&'static str, Plan)> {
        self.plans.borrow().iter().map(|p| (p.name, p.run.plan.clone())).collect()
    }

    /// Size of the arena in bytes: the activations and gradients of values, of the largest plan.
    pub fn arena_bytes(&self) -> usize {
        self.arena.bytes()
    }

    /// Gives pooled memory that no tensor uses back to the system.
    pub fn trim(&self) {
        self.pool.trim();
    }
}
