//! NVIDIA GPUs, with the driver that is found at run time. Nothing here is needed to build.
//!
//! A [`Cuda`] is an opened GPU: one stream, the kernels loaded so far, the matrix products of cuBLASLt, the convolutions of
//! cuDNN. A context that computes on the GPU holds one. A computation of an op states what it launches there, which launches
//! nothing in a dry run:
//!
//! ```text
//! impl Compute for Forward<'_> {
//!     fn cuda(self, cx: &Context) -> Result<()> {
//!         cuda::forward(cx, self.x, self.y)
//!     }
//! }
//! ```
//!
//! with, in the op's `cuda.rs`,
//!
//! ```text
//! // SAFETY: launched below alone, with the sizes of the tensors, which every index is compared with.
//! static KERNELS: Source = unsafe { Source::new("softmax", include_str!("kernel.cu")) };
//!
//! pub(super) fn forward(cx: &Context, x: &Tensor, y: &mut Tensor) -> Result<()> {
//!     let (rows, width) = (x.shape().rows(), x.shape().last());
//!     KERNELS.launch(cx, "softmax_forward", Grid::new(rows).threads(256), &mut args![x, y, width])
//! }
//! ```
//!
//! A source is compiled for the type in which the context computes, which the source calls `real`.

pub(crate) mod blas;
mod cache;
mod capture;
mod choices;
pub(crate) mod compile;
pub(crate) mod dnn;
mod error;
mod event;
mod grid;
mod launch;
pub mod libraries;
mod memory;
mod moment;
pub(crate) mod notice;
mod pinned;
mod ranges;
pub(crate) mod signature;
mod source;
mod trust;
mod tune;
mod uploads;
mod value;
mod watch;

pub(crate) use capture::Graph;
#[doc(hidden)]
pub use compile::options;
#[doc(hidden)]
pub use dnn::{Convolution, Cudnn, Product, workspace};
pub(crate) use event::{Event, Queue};
pub use grid::Grid;
pub(crate) use memory::Memory;
pub(crate) use moment::Moment;
pub(crate) use pinned::Pinned;
pub(crate) use ranges::Ranges;
pub use source::{Source, Text};
pub(crate) use value::{Fill, Value};
pub(crate) use watch::Watch;

use crate::core::digest::Digest;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::Device;
use blas::Blas;
use choices::Choices;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, result, sys};
use dnn::Dnn;
use error::Context as _;
use signature::Signature;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use uploads::Uploads;

/// The notices printed on stderr so far: faults that do not stop a run.
#[doc(hidden)]
pub fn notices() -> Vec<String> {
    notice::said()
}

/// Checks the environment variables that change the use of a GPU.
pub(crate) fn choices() -> Result<()> {
    Choices::of_environment().map(|_| ())
}

/// The text in front of every kernel. It is followed by `typedef float real;` or `typedef bf16 real;`.
pub const HEADER: &str = include_str!("kernels/rt.cuh");

/// An opened GPU, shared by the contexts of a thread.
pub struct Cuda {
    /// Dropped before the stream that it uses.
    pub(crate) dnn: Dnn,
    ordinal: usize,
    name: String,
    capability: (u32, u32),
    pub(crate) context: Arc<CudaContext>,
    /// The stream on which all work runs, in order.
    pub(crate) stream: Arc<CudaStream>,
    /// The stream on which batches are copied meanwhile.
    pub(crate) copies: Arc<CudaStream>,
    /// True if streams can allocate memory; `None` before the first allocation.
    ordered: Cell<Option<bool>>,
    /// True while work is captured and not run.
    capturing: Cell<bool>,
    uploads: RefCell<Option<Uploads>>,
    pub(crate) choices: Choices,
    /// True if algorithms are chosen by measurement.
    tuning: Cell<bool>,
    blas: OnceCell<Blas>,
    /// Compiled kernels, by the digest of their source and the type in which they compute.
    modules: RefCell<HashMap<(Digest, DType), Loaded>>,
    /// Sources made at run time, by the digest of everything that determines their text.
    generated: RefCell<HashMap<Digest, Rc<Source>>>,
}

/// The kernels of one source.
struct Loaded {
    module: Arc<CudaModule>,
    functions: HashMap<String, CudaFunction>,
}

thread_local! {
    static OPEN: RefCell<HashMap<usize, Weak<Cuda>>> = RefCell::default();
}

/// The index of the first GPU on which a model can run, if the required libraries are found.
pub fn first() -> Option<usize> {
    if libraries::has_driver() { libraries::in_use().first_gpu() } else { None }
}

impl Cuda {
    /// Opens the GPU with this index. All contexts of a thread share the result.
    ///
    /// # Errors
    /// If there is no such GPU or a library is missing: what was searched, where, and how to get it. If an environment variable
    /// has an invalid value.
    pub fn open(ordinal: usize) -> Result<Rc<Cuda>> {
        if let Some(cuda) = OPEN.with_borrow(|open| open.get(&ordinal).and_then(Weak::upgrade)) {
            return Ok(cuda);
        }
        let choices = Choices::of_environment()?;
        libraries::require(ordinal)?;
        if std::env::var("NVIDIA_TF32_OVERRIDE").is_ok_and(|value| value == "1") {
            let message = "NVIDIA_TF32_OVERRIDE is 1, so NVIDIA's libraries multiply f32 in TF32, with 10 bits of mantissa where f32 has 23: \
                           unset it for products in f32";
            notice::once("NVIDIA_TF32_OVERRIDE", message);
        }
        let context = CudaContext::new(ordinal).doing(&format!("open cuda:{ordinal}"))?;
        // A context that was closed before may still be current. It is not usable, but cudarc sees the same address and does not
        // set the new one.
        // SAFETY: the context exists.
        unsafe { result::ctx::set_current(context.cu_ctx()) }.doing("use the GPU from this thread")?;
        // SAFETY: all work runs on the one stream made below, which keeps the order. Tracking would put events into captured
        // graphs.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().doing("make a stream")?;
        let copies = context.new_stream().doing("make a stream")?;
        let (major, minor) = context.compute_capability().doing("ask for the compute capability")?;
        let capability = (major.unsigned_abs(), minor.unsigned_abs());
        let name = context.name().doing("ask for the GPU's name")?;
        let cuda = Rc::new(Cuda {
            dnn: Dnn::new(choices.cudnn.unwrap_or(Cudnn::Weights)),
            ordinal,
            name,
            capability,
            context,
            stream,
            copies,
            ordered: Cell::new(None),
            capturing: Cell::new(false),
            uploads: RefCell::default(),
            tuning: Cell::new(choices.tuning),
            choices,
            blas: OnceCell::new(),
            modules: RefCell::default(),
            generated: RefCell::default(),
        });
        OPEN.with_borrow_mut(|open| open.insert(ordinal, Rc::downgrade(&cuda)));
        Ok(cuda)
    }

    /// The GPU as a device.
    pub fn device(&self) -> Device {
        Device::Cuda(self.ordinal)
    }

    /// The manufacturer's name of the GPU.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The compute capability: (9, 0) for an H100.
    pub fn capability(&self) -> (u32, u32) {
        self.capability
    }

    /// Free and total bytes of the GPU's memory.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.context.mem_get_info().doing("ask for the memory")
    }

    /// The number of multiprocessors, for grids that fill the GPU.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn multiprocessors(&self) -> Result<usize> {
        let attribute = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let count = self.context.attribute(attribute).doing("ask for the number of multiprocessors")?;
        Ok(count.unsigned_abs() as usize)
    }

    /// Bytes of shared memory that a block can request: 227 KiB on an H100, 163 KiB on an A100, 99 KiB on most others.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn shared_memory(&self) -> Result<usize> {
        let attribute = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let bytes = self.context.attribute(attribute).doing("ask for the shared memory of a block")?;
        Ok(bytes.unsigned_abs() as usize)
    }

    /// Waits until all work launched so far is done.
    ///
    /// # Errors
    /// If a part of the work failed.
    pub fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().doing("finish what was asked for")
    }

    /// True if replays of graphs are compared with eager steps.
    pub(crate) fn checks_graphs(&self) -> bool {
        self.choices.check_graphs
    }

    pub(crate) fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().doing("use the GPU from this thread")
    }

    /// cuBLASLt, opened at the first product.
    pub(crate) fn blas(&self) -> Result<&Blas> {
        if self.blas.get().is_none() {
            let fresh = Blas::open(self)?;
            return Ok(self.blas.get_or_init(|| fresh));
        }
        self.blas.get().ok_or_else(|| Error::Device { message: "cuBLASLt was not opened".into() })
    }

    /// Opens the libraries that would otherwise be opened at their first use.
    pub(crate) fn open_libraries(&self) -> Result<()> {
        self.blas()?;
        self.cudnn();
        Ok(())
    }

    /// Returns the source for this key, the digest of everything that determines its text. `make` makes it the first time.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn generated(&self, key: Digest, make: impl FnOnce() -> Result<Source>) -> Result<Rc<Source>> {
        if let Some(known) = self.generated.borrow().get(&key) {
            return Ok(known.clone());
        }
        let made = Rc::new(make()?);
        self.generated.borrow_mut().insert(key, made.clone());
        Ok(made)
    }

    /// Returns the function `name` of a source. At the first launch it is compiled, loaded and checked against its declaration.
    pub(crate) fn function(&self, source: &Source, real: DType, name: &str, signature: &Signature) -> Result<CudaFunction> {
        let key = (source.digest(), real);
        if let Some(function) = self.modules.borrow().get(&key).and_then(|loaded| loaded.functions.get(name)) {
            return Ok(function.clone());
        }
        let known = self.modules.borrow().get(&key).map(|loaded| loaded.module.clone());
        let module = match known {
            Some(module) => module,
            None => {
                let text = source.text();
                let image = cache::cubin(text.name(), &text.whole(real), self.capability)?;
                let load = || self.context.load_module(cudarc::nvrtc::Ptx::from_binary(image));
                load().doing(&format!("load the kernels of `{}`", text.name()))?
            }
        };
        let function = module.load_function(name).doing(&format!("find the kernel `{name}` of `{}`", source.text().name()))?;
        launch::check_sizes(&function, source, name, signature)?;
        let mut modules = self.modules.borrow_mut();
        let loaded = modules.entry(key).or_insert_with(|| Loaded { module, functions: HashMap::new() });
        loaded.functions.insert(name.to_string(), function.clone());
        Ok(function)
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // Work in progress uses the libraries and modules that are about to be dropped. A failure cannot be handled here.
        let _ = self.stream.synchronize();
        let _ = self.copies.synchronize();
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} ({})", self.device(), self.name)
    }
}
