//! A step: the value and its gradient, on a GPU as graphs; its observer, and the work after the backward pass.

use super::Context;
use super::memory::Memory;
use crate::context::flat::Flat;
use crate::context::profile::{Observer, Phase};
use crate::core::digest::{Digest, Digester};
use crate::core::error::Result;
use crate::memory::{Recorder, StepKey};
use crate::tensor::Tensor;
use std::rc::Rc;

/// The work of an optimizer after the backward pass on the GPU: clipping and the update.
pub(crate) trait AfterBackward {
    /// Launches the work. It does nothing if the loss is not finite.
    fn run_if_finite(&self, cx: &Context, loss: &Tensor) -> Result<()>;
    /// The buffers that it writes except the gradient, each with its name.
    fn written(&self) -> Vec<(&'static str, Flat)>;
    /// The status words of the update: faults found so far, and the clipping of the gradient.
    fn status(&self) -> Result<[u8; 16]>;
    /// Sets the result of [`AfterBackward::status`].
    fn set_status(&self, status: &[u8; 16]) -> Result<()>;
}

/// The state of the work after the backward pass of a step on a GPU.
#[derive(Clone, Default)]
pub(crate) enum Finishing {
    /// The optimizer launches the work itself.
    #[default]
    Apart,
    /// The next gradient must include the work.
    Asked(Rc<dyn AfterBackward>),
    /// A gradient has included the work.
    Done,
}

impl Context {
    /// Returns the value of `forward` and computes its gradient. `backward` receives the saved values of the forward pass and
    /// [`Context::loss_scale`], the gradient of the loss, and adds to the gradients of the parameters. Both run in planned
    /// memory, as in [`Context::planned`]. On a GPU they run as graphs after the first few steps of a shape.
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
            let d_value = cx.d_loss()?;
            backward(cx, saved, d_value)?;
            value.item()
        })
    }

    /// Runs steps on a GPU as graphs (`true`, the default) or kernel by kernel (`false`).
    pub fn set_graphs(&self, on: bool) {
        self.replays.set_off(!on);
    }

    /// Starts or stops checking each replayed graph against an eager step. Both run on the same inputs and counters. Loss,
    /// gradient and running statistics must be equal to the bit, and so must the results of an update that is a part of the
    /// graph. The check makes a step several times slower; it is for finding defects. `IVON_CHECK_GRAPHS=on` turns it on for all
    /// contexts.
    ///
    /// A difference is an error with the name of the step and the first parameter that differs.
    pub fn set_check_graphs(&self, on: bool) {
        self.replays.set_check(on);
    }

    /// The number of different steps captured as graphs so far.
    pub fn graphs(&self) -> usize {
        self.replays.captured()
    }

    /// Returns the digest of everything that determines the work of `step` on a GPU: its key and inputs, the state of this
    /// context, and all launches of a dry run. Also returns the number of random streams that the step requests.
    pub(crate) fn trail(
        &self,
        key: StepKey,
        inputs: &[&Tensor],
        step: impl FnOnce(&Context) -> Result<()>,
    ) -> Result<(Digest, u32)> {
        let streams = self.streams.get();
        *self.trail.borrow_mut() = Some(self.begin_trail(key, inputs));
        let result = self.with_memory(Memory::Recording(Rc::new(Recorder::default())), || step(self));
        let trail = self.trail.take().unwrap_or_else(|| Digester::new("no trail")).finish();
        let asked = self.streams.replace(streams) - streams;
        result.map(|()| (trail, asked))
    }

    fn begin_trail(&self, key: StepKey, inputs: &[&Tensor]) -> Digester {
        let mut trail = Digester::new("a step on a GPU");
        trail.digest(key.digest()).number(inputs.len() as u64);
        inputs.iter().for_each(|input| input.leave(&mut trail));
        trail.number(self.dtype as u64).number(self.training() as u64).number(self.loss_scale.get().to_bits());
        trail.number(self.in_micro_batches() as u64);
        trail.number(self.arena.address());
        // Running statistics are written only in a real pass, so no launch of the dry run names them.
        for flat in [&self.weights, &self.gradient, &self.running] {
            let flat = flat.borrow();
            let found = flat.as_ref().map(|flat| [flat.address() as usize, flat.bytes(), flat.dtype() as usize]);
            trail.numbers(found.as_ref().map_or(&[], |numbers| numbers));
        }
        trail
    }

    /// The memory that a step writes and later steps read, without that of its update.
    pub(crate) fn written(&self) -> [(&'static str, Option<Flat>); 2] {
        [("gradient", &self.gradient), ("running statistics", &self.running)]
            .map(|(name, flat)| (name, flat.borrow().as_ref().map(Flat::share)))
    }

    /// Adds a launch of a dry run to the trail, if a trail is recorded.
    pub(crate) fn launched(&self, leave: impl FnOnce(&mut Digester)) {
        if let Some(trail) = &mut *self.trail.borrow_mut() {
            leave(trail);
        }
    }

    /// The current observer. `None` in a dry run, which computes nothing.
    pub(crate) fn observer(&self) -> Option<Observer> {
        let observer = self.observer.borrow();
        observer.as_ref().filter(|_| !self.planning()).cloned()
    }

    /// True if an observer is set.
    pub(crate) fn observed(&self) -> bool {
        self.observer.borrow().is_some()
    }

    /// Sets the observer. Returns the previous one.
    pub(crate) fn set_observer(&self, observer: Option<Observer>) -> Option<Observer> {
        self.observer.replace(observer)
    }

    /// Allows the update of a step on a GPU to be a part of the graph of its last backward pass, so that the whole step is two
    /// launches. Use it if the function that the optimizer calls computes exactly one gradient and does nothing after it. A
    /// second gradient is then an error, because the weights have already changed. Off by default; no effect on the CPU.
    pub fn set_update_in_graph(&self, on: bool) {
        self.update_in_graph.set(on);
    }

    /// Sets the work after the backward pass of the next gradient.
    pub(crate) fn set_finish(&self, finish: Option<Rc<dyn AfterBackward>>) {
        let asked = finish.filter(|_| self.update_in_graph.get());
        *self.finish.borrow_mut() = asked.map_or(Finishing::Apart, Finishing::Asked);
    }

    pub(crate) fn finishing(&self) -> Finishing {
        self.finish.borrow().clone()
    }

    pub(crate) fn finished(&self) {
        *self.finish.borrow_mut() = Finishing::Done;
    }
}
