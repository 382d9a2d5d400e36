//! The time of a step by phase, by layer, by op and, on a GPU, by kernel.
//!
//! While a [`Context`] records, scopes form a tree. An optimizer and [`Context::differentiated`] open the scopes of phases,
//! generated code those of layers, ops their own, and a launch on a GPU that of a kernel. Each scope counts its calls, its time,
//! and its computation and memory traffic ([`Cost`]). If nothing is recorded, a scope costs one read of a cell. A dry run opens
//! no scopes.
//!
//! ```text
//! optimizer.context().record()?;
//! let loss = optimizer.step(0.1, |cx| model.loss_gradient(cx, &x, &y))?;
//! let profile = optimizer.context().recorded()?;
//! for phase in profile.phases() { .. }
//! ```
//!
//! The same scopes are ranges for Nsight Systems after [`Context::set_ranges`].

mod clock;
mod cost;

pub use cost::Cost;

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::device::cuda::Ranges;
use clock::{Clock, Stamp};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

/// The parts of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// A batch is copied to the GPU.
    Data,
    /// A sample of the posterior is drawn separately. In training, the update draws the next sample in its pass over memory.
    Sampling,
    /// From the inputs to the loss.
    Forward,
    /// From the loss to the gradients.
    Backward,
    /// The gradient is clipped and applied.
    Update,
    /// Anything else.
    Other,
}

impl Phase {
    /// The name of the phase in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Data => "data",
            Phase::Sampling => "sampling",
            Phase::Forward => "forward",
            Phase::Backward => "backward",
            Phase::Update => "update",
            Phase::Other => "other",
        }
    }
}

/// The kinds of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    Phase(Phase),
    Layer,
    Op,
    Kernel,
}

/// All scopes with one kind, name and parent.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) parent: usize,
    pub(crate) calls: u64,
    /// Seconds in the scope, including all scopes within it.
    pub(crate) seconds: f64,
    pub(crate) cost: Cost,
}

/// A tree that is being recorded.
pub(crate) struct Recording {
    clock: Clock,
    start: Instant,
    nodes: RefCell<Vec<Node>>,
    /// The innermost open scope.
    innermost: Cell<usize>,
}

impl Recording {
    fn new(cx: &Context) -> Result<Recording> {
        let clock = Clock::of(cx)?;
        let root = Node { kind: Kind::Root, name: String::new(), parent: 0, calls: 1, seconds: 0.0, cost: Cost::default() };
        Ok(Recording { clock, start: Instant::now(), nodes: RefCell::new(vec![root]), innermost: Cell::new(0) })
    }

    fn open(self: Rc<Self>, kind: Kind, name: &str, cost: Cost) -> Scope {
        let parent = self.innermost.get();
        let mut nodes = self.nodes.borrow_mut();
        let same = |n: &Node| n.parent == parent && n.kind == kind && n.name == name;
        let node = match nodes.iter().skip(parent + 1).position(same) {
            Some(after) => parent + 1 + after,
            None => {
                nodes.push(Node { kind, name: name.into(), parent, calls: 0, seconds: 0.0, cost: Cost::default() });
                nodes.len() - 1
            }
        };
        nodes[node].calls += 1;
        nodes[node].cost += cost;
        drop(nodes);
        self.innermost.set(node);
        let start = self.clock.start(kind == Kind::Kernel);
        Scope(Some(Open::Timed { recording: self, node, parent, start }))
    }

    fn close(&self, node: usize, parent: usize, start: &mut Stamp) {
        if let Some(seconds) = self.clock.stop(node, start) {
            self.nodes.borrow_mut()[node].seconds += seconds;
        }
        self.innermost.set(parent);
    }

    /// Waits for the GPU and returns the whole tree.
    fn finish(&self) -> Result<Profile> {
        let of_kernels = self.clock.finish()?;
        let seconds = self.start.elapsed().as_secs_f64();
        let mut nodes = self.nodes.take();
        for (node, seconds) in of_kernels.iter().flatten() {
            nodes[*node].seconds += seconds;
        }
        if of_kernels.is_some() {
            // On a GPU only kernels are timed: an outer scope takes as long as its kernels. Children come after their parents.
            for node in (1..nodes.len()).rev() {
                let (parent, seconds) = (nodes[node].parent, nodes[node].seconds);
                nodes[parent].seconds += seconds;
            }
        }
        nodes[0].seconds = seconds;
        Ok(Profile { nodes })
    }
}

/// The recipient of scopes.
#[derive(Clone)]
pub(crate) enum Observer {
    Recording(Rc<Recording>),
    Ranges(Rc<Ranges>),
}

/// An open scope. It ends when it is dropped.
#[must_use = "a scope lasts until this is dropped"]
pub struct Scope(Option<Open>);

enum Open {
    Timed { recording: Rc<Recording>, node: usize, parent: usize, start: Stamp },
    Range(Rc<Ranges>),
}

impl Drop for Scope {
    fn drop(&mut self) {
        match &mut self.0 {
            Some(Open::Timed { recording, node, parent, start }) => recording.close(*node, *parent, start),
            Some(Open::Range(ranges)) => ranges.pop(),
            None => {}
        }
    }
}

/// A recorded profile.
#[derive(Debug)]
pub struct Profile {
    /// The nodes of the tree; children come after their parents.
    pub(crate) nodes: Vec<Node>,
}

impl Profile {
    /// Seconds from the start to the end of the recording.
    pub fn seconds(&self) -> f64 {
        self.nodes[0].seconds
    }

    /// The number of scopes that were opened.
    pub fn scopes(&self) -> u64 {
        self.nodes.iter().map(|n| n.calls).sum::<u64>() - 1
    }
}

impl Context {
    /// Starts recording phases, layers and ops. On a GPU, steps run kernel by kernel until [`Context::recorded`], because a graph
    /// has no scopes.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn record(&self) -> Result<()> {
        self.set_observer(Some(Observer::Recording(Rc::new(Recording::new(self)?))));
        Ok(())
    }

    /// Stops recording. Returns the profile since [`Context::record`].
    ///
    /// # Errors
    /// If nothing was recorded, or the GPU is lost.
    pub fn recorded(&self) -> Result<Profile> {
        match self.set_observer(None) {
            Some(Observer::Recording(recording)) => recording.finish(),
            _ => Err(Error::config("nothing was recorded: call `record` first")),
        }
    }

    /// Starts (`true`) or stops making ranges of phases, layers and ops for NVIDIA's tools (NVTX). On a GPU, steps run kernel by
    /// kernel meanwhile.
    ///
    /// # Errors
    /// If the NVTX library is missing: where it was searched and how to get it.
    pub fn set_ranges(&self, on: bool) -> Result<()> {
        let ranges = if on { Some(Observer::Ranges(Rc::new(Ranges::open()?))) } else { None };
        self.set_observer(ranges);
        Ok(())
    }

    /// Opens the scope of an op, with its name and cost. The scope ends when the result is dropped.
    ///
    /// ```text
    /// let _op = cx.op("linear d_x", || Cost::product(cx.precision(), [rows, inputs, outputs]).reads([&d_y, &weight]).writes(d_x, add));
    /// ```
    pub fn op(&self, name: &str, cost: impl FnOnce() -> Cost) -> Scope {
        self.scope(Kind::Op, name, cost)
    }

    /// Opens the scope of a kernel on a GPU.
    pub(crate) fn kernel(&self, name: &str, cost: impl FnOnce() -> Cost) -> Scope {
        self.scope(Kind::Kernel, name, cost)
    }

    /// Opens the scope of a phase.
    pub(crate) fn phase(&self, phase: Phase) -> Scope {
        self.scope(Kind::Phase(phase), phase.name(), Cost::default)
    }

    /// Calls the layer `name` in a scope, and adds the name to errors of the call.
    ///
    /// # Errors
    /// Those of `call`, [`within`](Error::within) the layer.
    pub fn layer<R>(&self, name: &str, call: impl FnOnce() -> Result<R>) -> Result<R> {
        let _scope = self.scope(Kind::Layer, name, Cost::default);
        call().map_err(|e| e.within(name))
    }

    #[inline]
    fn scope(&self, kind: Kind, name: &str, cost: impl FnOnce() -> Cost) -> Scope {
        match self.observer() {
            None => Scope(None),
            Some(Observer::Recording(recording)) => recording.open(kind, name, cost()),
            Some(Observer::Ranges(ranges)) => {
                ranges.push(name);
                Scope(Some(Open::Range(ranges)))
            }
        }
    }
}
