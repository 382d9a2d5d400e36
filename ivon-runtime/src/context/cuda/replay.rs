//! Training steps as CUDA graphs: captured once, then launched as a whole.
//!
//! The first step of a shape runs kernel by kernel, which compiles the kernels. A later step is captured, and from then on the
//! graph is launched. A dry run before each step shows whether a graph still does what the model would do. It executes the
//! model's code with all settings but launches nothing, and records a trail: a [`Digest`] of the step's key, its inputs and, for
//! every launch, the text of the kernel, the grid and all arguments with places, element types and shapes of tensors. A graph is
//! launched if the trail equals the trail of its capture. Values that change from step to step, such as the counters of random
//! numbers, are read from the GPU's memory.
//!
//! A step is two graphs: the forward pass, and the backward pass followed (if the optimizer allows it) by clipping, the update
//! and the next sample. An ordinary copy between the two returns the loss while the rest runs. The GPU skips the update if the
//! loss is not finite.

use super::check;
use super::staging::Staging;
use crate::context::profile::Phase;
use crate::context::{Context, Finishing};
use crate::core::digest::Digest;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::cuda::{Cuda, Graph, Watch, notice};
use crate::memory::StepKey;
use crate::tensor::Tensor;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// The steps that a context has run on its GPU.
#[derive(Default)]
pub(crate) struct Replays {
    staging: Staging,
    /// Steps by their trails.
    seen: RefCell<HashMap<Digest, Seen>>,
    loss: OnceCell<Watch>,
    /// True if every step runs kernel by kernel.
    off: Cell<bool>,
    /// True if replays are compared with eager steps; `None` uses the value of `IVON_CHECK_GRAPHS`.
    check: Cell<Option<bool>>,
}

/// The state of a step.
#[derive(Clone)]
enum Seen {
    /// The step ran once.
    Once,
    /// The step does something that cannot be captured.
    Never,
    Captured(Rc<Step>),
}

/// A captured step.
struct Step {
    forward: Graph,
    /// The backward pass, and the update if it is a part of the graph.
    rest: Graph,
    /// The address and type of the loss.
    loss: (u64, DType),
}

impl Replays {
    /// Returns the value of `forward` and computes its gradient with `backward`: see [`Context::differentiated`].
    pub fn differentiated<S>(
        &self,
        cx: &Context,
        cuda: &Rc<Cuda>,
        (key, inputs): (StepKey, &[&Tensor]),
        forward: impl Fn(&Context) -> Result<(Tensor, S)>,
        backward: impl Fn(&Context, S, Tensor) -> Result<()>,
    ) -> Result<f64> {
        let phase = cx.phase(Phase::Data);
        self.staging.upload(cuda, key.name(), inputs)?;
        drop(phase);
        let result = self.run(cx, cuda, (key, inputs), forward, backward);
        let used = self.staging.used(cuda, key.name(), inputs);
        result.and_then(|loss| used.map(|()| loss))
    }

    fn run<S>(
        &self,
        cx: &Context,
        cuda: &Rc<Cuda>,
        (key, inputs): (StepKey, &[&Tensor]),
        forward: impl Fn(&Context) -> Result<(Tensor, S)>,
        backward: impl Fn(&Context, S, Tensor) -> Result<()>,
    ) -> Result<f64> {
        let checking = self.check.get().unwrap_or(cuda.checks_graphs());
        let finish = match cx.finishing() {
            Finishing::Apart => None,
            // A profile shows the update as a phase of its own.
            Finishing::Asked(_) if cx.observed() => None,
            Finishing::Asked(finish) => Some(finish),
            Finishing::Done => {
                let message = "a second gradient was asked for in a step whose update was a part of the first one: \
                               `set_update_in_graph(false)` lets a step ask for several";
                return Err(Error::value(key.name(), message));
            }
        };
        cx.upload_counters()?;
        let losses = cx.losses();
        let forward = |cx: &Context| {
            cx.recount(losses);
            forward(cx)
        };
        // Everything after the forward pass.
        let rest = |cx: &Context, value: &Tensor, saved: S| {
            let d_value = cx.d_loss()?;
            backward(cx, saved, d_value)?;
            finish.as_ref().map_or(Ok(()), |finish| finish.run_if_finite(cx, value))
        };
        let finished = |loss: f64| {
            if finish.is_some() {
                cx.finished();
            }
            loss
        };
        let eager = || {
            cx.planned(key, inputs, |cx| {
                let phase = cx.phase(Phase::Forward);
                let (value, saved) = forward(cx)?;
                if cx.planning() {
                    return rest(cx, &value, saved).and_then(|()| value.item());
                }
                let loss = self.fetch(cuda, (value.address(cx)?, value.dtype()))?;
                drop(phase);
                let _phase = cx.phase(Phase::Backward);
                cx.upload_weight()?;
                rest(cx, &value, saved)?;
                loss.wait()
            })
        };
        if self.off.get() || cx.observed() {
            return eager().map(finished);
        }
        let (trail, streams) = cx.trail(key, inputs, |cx| {
            let (value, saved) = forward(cx)?;
            rest(cx, &value, saved)
        })?;
        let launch = |step: &Step| {
            // The graph will write to the arena.
            cx.check_arena(key.name())?;
            let replay = || {
                cx.skip_streams(streams);
                cx.upload_weight()?;
                self.launch(cuda, step)
            };
            if checking { check::compared(cx, key.name(), finish.as_deref(), replay, eager) } else { replay() }
        };
        let seen = self.seen.borrow().get(&trail).cloned();
        let loss = match seen {
            Some(Seen::Captured(step)) => launch(&step),
            Some(Seen::Never) => eager(),
            None => {
                let loss = eager()?;
                self.remember(trail, Seen::Once);
                Ok(loss)
            }
            Some(Seen::Once) => match self.capture(cx, cuda, (key, inputs), &forward, &rest) {
                Ok(step) => {
                    self.remember(trail, Seen::Captured(step.clone()));
                    launch(&step)
                }
                // An error in the model's code comes back as the same error.
                Err(error) => {
                    self.remember(trail, Seen::Never);
                    let loss = eager()?;
                    let name = key.name();
                    notice::once(name, &format!("`{name}` runs kernel by kernel, because it cannot be a graph: {error}"));
                    Ok(loss)
                }
            },
        };
        loss.map(finished)
    }

    /// Captures both passes as graphs. Computes nothing.
    fn capture<S>(
        &self,
        cx: &Context,
        cuda: &Cuda,
        (key, inputs): (StepKey, &[&Tensor]),
        forward: &impl Fn(&Context) -> Result<(Tensor, S)>,
        rest: &impl Fn(&Context, &Tensor, S) -> Result<()>,
    ) -> Result<Rc<Step>> {
        let streams = cx.skip_streams(0);
        let step = cx.planned(key, inputs, |cx| {
            if cx.planning() {
                let (value, saved) = forward(cx)?;
                rest(cx, &value, saved)?;
                return Ok(None);
            }
            let (forward, (value, saved)) = cuda.captured(|| forward(cx))?;
            let loss = (value.address(cx)?, value.dtype());
            let (rest, ()) = cuda.captured(|| rest(cx, &value, saved))?;
            Ok(Some(Rc::new(Step { forward, rest, loss })))
        });
        cx.set_streams(streams);
        step?.ok_or_else(|| Error::Device { message: "a step was planned and not captured".into() })
    }

    fn remember(&self, trail: Digest, seen: Seen) {
        /// A setting that changes in every step makes a new graph for each: keep few.
        const MOST: usize = 64;
        let mut all = self.seen.borrow_mut();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(trail, seen);
    }

    fn launch(&self, cuda: &Cuda, step: &Step) -> Result<f64> {
        step.forward.launch("a forward pass")?;
        let loss = self.fetch(cuda, step.loss)?;
        step.rest.launch("a backward pass")?;
        loss.wait()
    }

    /// Starts copying the loss back as soon as it is computed.
    fn fetch(&self, cuda: &Cuda, (address, dtype): (u64, DType)) -> Result<Loss<'_>> {
        let watch = match self.loss.get() {
            Some(watch) => watch,
            None => {
                let fresh = cuda.watch(4)?;
                self.loss.get_or_init(|| fresh)
            }
        };
        watch.begin(address, dtype.bytes())?;
        Ok(Loss { watch, dtype })
    }

    /// Runs every step kernel by kernel from now on (`true`), or uses graphs again.
    pub fn set_off(&self, off: bool) {
        self.off.set(off);
    }

    /// Compares every replay with an eager step from now on (`true`), or stops comparing.
    pub fn set_check(&self, on: bool) {
        self.check.set(Some(on));
    }

    /// The number of captured steps.
    pub fn captured(&self) -> usize {
        self.seen.borrow().values().filter(|seen| matches!(seen, Seen::Captured(_))).count()
    }
}

/// A loss that is being copied back.
struct Loss<'a> {
    watch: &'a Watch,
    dtype: DType,
}

impl Loss<'_> {
    fn wait(self) -> Result<f64> {
        let bytes = self.watch.wait()?.unwrap_or_default();
        let &[a, b, c, d] = bytes.first_chunk().unwrap_or(&[0; 4]);
        Ok(match self.dtype {
            DType::Bf16 => half::bf16::from_le_bytes([a, b]).to_f64(),
            _ => f32::from_le_bytes([a, b, c, d]) as f64,
        })
    }
}
