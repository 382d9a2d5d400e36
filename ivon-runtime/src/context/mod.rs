//! The environment of a forward or backward pass: the device, the memory plan, the weights in use and the gradient buffer.

pub(crate) mod adjoint;
pub(crate) mod cache;
pub(crate) mod collected;
mod compute;
mod counts;
pub mod cuda;
pub mod elementwise;
pub(crate) mod flat;
mod key;
mod memory;
mod pass;
pub mod profile;
mod step;
mod weights;

pub use compute::{Compute, ComputeWeighted, Weighted};
pub(crate) use counts::Counts;
pub use pass::{Pass, Stream};
pub(crate) use step::{AfterBackward, Finishing};

use crate::context::cache::Cache;
use crate::context::cuda::Replays;
use crate::context::flat::Flat;
use crate::context::profile::Observer;
use crate::core::digest::Digester;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::Device;
use crate::device::cpu::matmul::Precision;
use crate::device::cpu::threads;
use crate::device::cuda::Cuda;
use crate::memory::{Arena, Block, Pool};
use crate::tensor::Tensor;
use memory::{Memory, Planned};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The environment of a forward or backward pass: device, memory plan, weights in use, gradient buffer.
pub struct Context {
    cuda: Option<Rc<Cuda>>,
    dtype: DType,
    precision: Precision,
    training: Cell<bool>,
    loss_scale: Cell<f64>,
    counts: RefCell<Counts>,
    /// The parameters for which a backward pass has requested the gradient.
    reached: RefCell<BTreeSet<usize>>,
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
    /// The work after the backward pass of the current step, and how far it is done.
    finish: RefCell<Finishing>,
    update_in_graph: Cell<bool>,
    /// The hash of everything launched so far in a dry run; `None` when no one records it.
    trail: RefCell<Option<Digester>>,
    /// Step and pass in the GPU's memory, where graphs read them, and whether they are up to date.
    counters: OnceCell<Rc<Block>>,
    counted: Cell<bool>,
    observer: RefCell<Option<Observer>>,
}

impl Context {
    /// Creates a context that computes in `dtype`: f32; bf16 (on the CPU: weights and products in bf16, the rest in f32); or f64,
    /// for the reference implementation. The first context of a process makes its thread a member of the global rayon pool,
    /// unless that pool is already in use.
    ///
    /// # Errors
    /// If the device cannot compute in this type, or the device cannot be used: the missing part and how to get it.
    pub fn new(device: Device, dtype: DType) -> Result<Context> {
        match (device, dtype) {
            (_, DType::U32) => return Err(Error::config("a model computes in f32, f64 or bf16, not in ids")),
            (Device::Cuda(_), DType::F64) => {
                return Err(Error::config("f64 is the reference implementation, for the CPU alone: compute in f32 on a GPU"));
            }
            _ => {}
        }
        threads::join_pool();
        let cuda = match device {
            Device::Cpu => None,
            Device::Cuda(ordinal) => Some(Cuda::open(ordinal)?),
        };
        Ok(Context {
            // On the CPU only weights and products use bf16.
            dtype: if device == Device::Cpu { dtype.sums() } else { dtype },
            precision: if dtype == DType::Bf16 { Precision::Bf16 } else { Precision::F32 },
            training: Cell::new(false),
            loss_scale: Cell::new(1.0),
            counts: RefCell::default(),
            reached: RefCell::default(),
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
            trail: RefCell::default(),
            counters: OnceCell::new(),
            counted: Cell::new(false),
            observer: RefCell::default(),
        })
    }

    /// The device on which the context computes.
    pub fn device(&self) -> Device {
        self.cuda.as_ref().map_or(Device::Cpu, |cuda| cuda.device())
    }

    /// The GPU on which the context computes; `None` on the CPU.
    pub fn cuda(&self) -> Option<&Rc<Cuda>> {
        self.cuda.as_ref()
    }

    /// The GPU on which the context computes.
    ///
    /// # Errors
    /// If it computes on the CPU.
    pub(crate) fn gpu(&self) -> Result<&Rc<Cuda>> {
        self.cuda().ok_or_else(|| Error::config("a kernel for a GPU was asked for in a context on the CPU"))
    }

    /// The type of activations: f32, f64 or, on a GPU, bf16.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The precision of matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Converts an input of a model to the type that ops expect. f32 becomes bf16 on a GPU that computes in bf16; all other
    /// inputs are returned unchanged. Methods whose names end in `_gradient` do this themselves.
    ///
    /// # Errors
    /// As [`Context::empty`].
    pub fn input(&self, x: &Tensor) -> Result<Tensor> {
        match (x.dtype(), self.dtype) {
            (DType::F32, DType::Bf16) => elementwise::narrow(self, x),
            _ => Ok(x.clone()),
        }
    }
}
