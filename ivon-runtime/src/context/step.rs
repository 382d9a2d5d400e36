//! A step: the value and its gradient, on a card as graphs; who watches it, and what follows it.

use super::Context;
use super::memory::Memory;
use crate::device::cuda::Trail;
use crate::error::Result;
use crate::memory::{Recorder, StepKey};
use crate::optimizers::card::Finish;
use crate::profile::{Observer, Phase};
use crate::tensor::Tensor;
use std::rc::Rc;

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

impl Context {
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

    /// Runs steps on a card kernel by kernel from now on (`false`), or as graphs again.
    pub fn set_graphs(&self, on: bool) {
        self.replays.set_off(!on);
    }

    /// How many different steps were captured as graphs so far.
    pub fn graphs(&self) -> usize {
        self.replays.captured()
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
}
