//! A step: the value and its gradient, on a GPU as graphs; who watches it, and what follows it.

use super::Context;
use super::memory::Memory;
use crate::context::flat::Flat;
use crate::context::profile::{Observer, Phase};
use crate::core::digest::{Digest, Digester};
use crate::core::error::Result;
use crate::memory::{Recorder, StepKey};
use crate::tensor::Tensor;
use std::rc::Rc;

/// Work of an optimizer that follows the backward pass on the GPU: clipping and the update.
pub(crate) trait AfterBackward {
    /// Launches the work. It does nothing if the loss is not finite.
    fn run_if_finite(&self, cx: &Context, loss: &Tensor) -> Result<()>;
    /// The buffers that it writes, but for the gradient, each with its name.
    fn written(&self) -> Vec<(&'static str, Flat)>;
    /// The status words of the update: faults found so far and the clipping of the gradient.
    fn status(&self) -> Result<[u8; 16]>;
    /// Sets what [`AfterBackward::status`] returns.
    fn set_status(&self, status: &[u8; 16]) -> Result<()>;
}

/// How far a step on a GPU has come with what follows its backward pass.
#[derive(Clone, Default)]
pub(crate) enum Finishing {
    /// It is the optimizer's affair.
    #[default]
    Apart,
    /// It is to be a part of the next gradient.
    Asked(Rc<dyn AfterBackward>),
    /// It was.
    Done,
}

impl Context {
    /// The value of `forward` and its gradient: `backward` is given what the forward pass saved and [`Context::loss_scale`], the gradient of the
    /// loss, and adds to the gradients of the parameters. Both run in planned memory, as in [`Context::planned`]; on a GPU as graphs, after the
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
            let d_value = cx.d_loss()?;
            backward(cx, saved, d_value)?;
            value.item()
        })
    }

    /// Runs steps on a GPU kernel by kernel from now on (`false`), or as graphs again.
    pub fn set_graphs(&self, on: bool) {
        self.replays.set_off(!on);
    }

    /// Checks each replayed graph against an eager step from now on, or no longer: both run on the same inputs and counters, and loss,
    /// gradient and running statistics must be equal to the bit, and everything that the update writes where it is a part of the graph. It takes
    /// several times as long and is for finding defects. `IVON_CHECK_GRAPHS=on` switches it on for all contexts.
    ///
    /// A step that differs is an error that names the step and the first parameter that differs.
    pub fn set_check_graphs(&self, on: bool) {
        self.replays.set_check(on);
    }

    /// The number of different steps captured as graphs so far.
    pub fn graphs(&self) -> usize {
        self.replays.captured()
    }

    /// Digest of everything that decides what `step` does on a GPU: its key and inputs, the state of this context, and all that a
    /// dry run launches. Also returns the number of streams that it asks for.
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
        // The running statistics are written in a real pass alone, so no launch of the dry run names them.
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

    /// Adds a launch of a dry run to the trail, if one is recorded.
    pub(crate) fn launched(&self, leave: impl FnOnce(&mut Digester)) {
        if let Some(trail) = &mut *self.trail.borrow_mut() {
            leave(trail);
        }
    }

    /// Who looks at what is done; nobody at a dry run, which does nothing.
    pub(crate) fn observer(&self) -> Option<Observer> {
        let observer = self.observer.borrow();
        observer.as_ref().filter(|_| !self.planning()).cloned()
    }

    /// True if somebody looks.
    pub(crate) fn observed(&self) -> bool {
        self.observer.borrow().is_some()
    }

    /// Another observer from now on; the one before.
    pub(crate) fn set_observer(&self, observer: Option<Observer>) -> Option<Observer> {
        self.observer.replace(observer)
    }

    /// Lets the update of a step on a GPU be a part of the graph of its last backward pass, so that the whole step is two launches: for those
    /// who ask for one gradient, and nothing after it, wherever an optimizer calls their function. A second gradient is refused then, because the
    /// weights have moved on already. Off at first; without effect on the CPU.
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
