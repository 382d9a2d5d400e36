//! Tensors in pooled or planned memory.

use super::Context;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cuda::Fill;
use crate::memory::{Block, Handle, MOST_BYTES, Plan, Recorder, Run, StepKey};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::rc::Rc;

/// A plan and the steps for which it was made. There are few plans, so a search looks at each.
pub(super) struct Planned {
    name: &'static str,
    /// The last few steps that used the plan. Steps with different settings often need the same memory.
    keys: Vec<StepKey>,
    training: bool,
    gradient: bool,
    inputs: Vec<(Shape, DType)>,
    run: Rc<Run>,
}

impl Planned {
    /// A step whose settings change every time adds a key each time: keep few.
    const KEYS: usize = 16;

    fn remember(&mut self, key: StepKey) {
        if self.keys.len() == Planned::KEYS {
            self.keys.remove(0);
        }
        self.keys.push(key);
    }
}

/// The source of tensors.
pub(super) enum Memory {
    Pooled,
    Recording(Rc<Recorder>),
    Replaying(Rc<Run>),
}

impl Memory {
    /// Notes that an allocation failed. A planned step then fails, even if its code ignores the error.
    fn failed(&self, error: &Error) {
        match self {
            Memory::Pooled => {}
            Memory::Recording(recorder) => recorder.failure.note(error),
            Memory::Replaying(run) => run.failure.note(error),
        }
    }
}

impl Context {
    /// True in a dry run. An op then makes its allocations and returns before it touches memory.
    pub fn planning(&self) -> bool {
        matches!(&*self.memory.borrow(), Memory::Recording(_))
    }

    /// Allocates a tensor of the compute type with undefined content.
    ///
    /// # Errors
    /// If there is not enough memory. In a planned run: if the allocations differ from those of the dry run.
    #[track_caller]
    pub fn empty(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.empty_of(self.dtype, shape)
    }

    /// Allocates a tensor of any type with undefined content.
    ///
    /// # Errors
    /// As [`Context::empty`].
    #[track_caller]
    pub fn empty_of(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.elements().saturating_mul(dtype.bytes());
        let memory = self.memory.borrow();
        let handle = match &*memory {
            _ if bytes > MOST_BYTES => Err(Block::too_large(bytes)),
            Memory::Pooled => self.pool.handle(bytes),
            Memory::Recording(recorder) => match recorder.failure.check() {
                // No closure here: `#[track_caller]` would report the closure as the place of the allocation.
                Ok(()) => Ok(Handle::of(Block::ghost(bytes, recorder))),
                Err(error) => Err(error),
            },
            Memory::Replaying(run) => run.handle(bytes),
        };
        Ok(Tensor::on(handle.inspect_err(|error| memory.failed(error))?, shape, dtype))
    }

    /// Allocates a tensor of zeros of the compute type in memory of its own, which outlives planned runs.
    pub(crate) fn kept(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.elements().saturating_mul(self.dtype.bytes());
        Ok(Tensor::on(Handle::of(Block::zeroed(self.cuda.as_ref(), bytes)?), shape, self.dtype))
    }

    /// Allocates a tensor of zeros of the compute type.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn zeros(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.filled(shape, 0.0)
    }

    /// Allocates a tensor of the compute type and sets every element to `value`.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn filled(&self, shape: impl Into<Shape>, value: f64) -> Result<Tensor> {
        let mut filled = self.empty(shape)?;
        match &self.cuda {
            _ if self.planning() => {
                filled.is_launched();
                self.launched(|trail| {
                    filled.leave(trail.text("fill").number(value.to_bits()));
                });
            }
            Some(cuda) => {
                let bits = (value as f32).to_bits();
                let fill = match self.dtype {
                    DType::Bf16 => Fill::Half(half::bf16::from_f64(value).to_bits()),
                    _ => Fill::Word(bits),
                };
                let count = filled.shape().elements();
                // SAFETY: the tensor has this many elements of this type. No kernel that was launched before still reads the old
                // content of its block: kernels run in the order of the stream.
                unsafe { cuda.fill(filled.address_mut(self)?, fill, count)? };
            }
            None => match self.dtype {
                DType::F64 => filled.as_mut_slice::<f64>().fill(value),
                _ => filled.as_mut_slice::<f32>().fill(value as f32),
            },
        }
        Ok(filled)
    }

    /// Runs `step` in planned memory. The first run for a key (a name suffices, see [`StepKey`]) and the shapes of `inputs`
    /// starts with a dry run: shapes only, no arithmetic. It records the allocations, and a plan packs them into the arena. All
    /// later runs use the same addresses.
    ///
    /// The result of `step` must not hold any of its tensors: read numbers with [`Tensor::item`], or copy the tensors. A planned
    /// run inside of another one becomes a part of the outer run.
    ///
    /// # Errors
    /// Those of `step`. If a tensor of an earlier planned run is still held. If an allocation of `step` failed, even if `step`
    /// ignored the error: the first such error.
    pub fn planned<R>(&self, key: impl Into<StepKey>, inputs: &[&Tensor], step: impl Fn(&Context) -> Result<R>) -> Result<R> {
        let key = key.into();
        let name = key.name();
        if !matches!(&*self.memory.borrow(), Memory::Pooled) {
            return step(self);
        }
        self.check_arena(name)?;
        let (training, gradient) = (self.training(), self.gradient.borrow().is_some());
        let same = |p: &&Planned| {
            let inputs = p.inputs.iter().copied().eq(inputs.iter().map(|t| (*t.shape(), t.dtype())));
            p.name == name && p.training == training && p.gradient == gradient && inputs
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
                            let batch = inputs.iter().map(|x| x.shape().first().copied().unwrap_or(1)).max().unwrap_or(1);
                            cuda.check_room(name, plan.bytes, self.arena.bytes(), batch)?;
                        }
                        let run = self.arena.add(plan)?;
                        let inputs = inputs.iter().map(|t| (*t.shape(), t.dtype())).collect();
                        plans.push(Planned { name, keys: vec![key], training, gradient, inputs, run: run.clone() });
                        run
                    }
                }
            }
        };
        run.start();
        let result = self.with_memory(Memory::Replaying(run.clone()), || step(self));
        let failure = run.failure.check();
        if failure.is_err() {
            self.plans.borrow_mut().retain(|p| !Rc::ptr_eq(&p.run, &run));
            self.arena.remove(&run);
        }
        result.and_then(|value| failure.map(|()| value))
    }

    /// Returns an error if a tensor of an earlier planned step is still held, for the step called `name`.
    pub(crate) fn check_arena(&self, name: &str) -> Result<()> {
        if !self.arena.is_held() {
            return Ok(());
        }
        let message = "a tensor of an earlier step is still held, and its memory is about to be used again: take its values with \
                       `item` or `to_f64` instead of keeping it";
        Err(Error::value(name, message))
    }

    /// Plans the memory of `step` in a dry run: shapes only, no arithmetic, no memory.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn plan<R>(&self, step: impl FnOnce(&Context) -> Result<R>) -> Result<Plan> {
        let recorder = Rc::new(Recorder::default());
        let streams = self.streams.get();
        let result = self.with_memory(Memory::Recording(recorder.clone()), || step(self).map(drop));
        self.streams.set(streams);
        result?;
        recorder.failure.check()?;
        Ok(recorder.plan())
    }

    pub(super) fn with_memory<R>(&self, memory: Memory, step: impl FnOnce() -> R) -> R {
        /// Restores the old memory, even if `step` panics.
        struct Restore<'a>(&'a RefCell<Memory>, Memory);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.replace(std::mem::replace(&mut self.1, Memory::Pooled));
            }
        }
        let _restore = Restore(&self.memory, self.memory.replace(memory));
        step()
    }

    /// The memory plans made so far, each with its name.
    pub fn plans(&self) -> Vec<(&'static str, Plan)> {
        self.plans.borrow().iter().map(|p| (p.name, p.run.plan.clone())).collect()
    }

    /// The size of the arena in bytes: the activations and gradients of values of the largest plan.
    pub fn arena_bytes(&self) -> usize {
        self.arena.bytes()
    }

    /// Frees pooled memory that no tensor uses.
    pub fn trim(&self) {
        self.pool.trim();
    }
}
