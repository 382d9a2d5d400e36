//! Convolutions by cuDNN, if it is found: channels last, in f32 without TF32 or in bf16, with sums in f32.
//!
//! The library is asked once per shape for the engines that it expects to be the fastest. The first engine that gives the same
//! bits each time, supports the shape on this GPU and needs little enough workspace is kept. Without such an engine, or without
//! the library, the op's own kernels are used.

mod convolution;
mod descriptor;
mod graph;

pub use convolution::{Convolution, Cudnn, Product};

use super::{Cuda, libraries, notice};
use crate::core::error::Result;
use cudarc::cudnn::sys;
use descriptor::{Descriptor, Kind, Name, Type, told};
use graph::{Execution, Gpu, Graph};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

pub(crate) const INSTEAD: &str = "Our own kernels serve, slowly";

/// Engines with a larger workspace, in bytes, are not used.
const MOST_WORKSPACE: usize = 1 << 30;

/// The library on one GPU, opened at the first convolution.
pub(crate) struct Dnn {
    computes: Cell<Cudnn>,
    opened: OnceCell<Option<Opened>>,
}

impl Dnn {
    pub fn new(computes: Cudnn) -> Dnn {
        Dnn { computes: Cell::new(computes), opened: OnceCell::new() }
    }
}

pub(crate) struct Opened {
    handle: sys::cudnnHandle_t,
    ways: RefCell<HashMap<Convolution, Option<Rc<Way>>>>,
}

/// The engine of one convolution.
pub(crate) struct Way {
    convolution: Convolution,
    execution: Execution,
}

impl Way {
    pub(crate) fn convolution(&self) -> &Convolution {
        &self.convolution
    }

    /// The bytes of workspace that it needs.
    pub(crate) fn workspace(&self) -> usize {
        self.execution.workspace
    }

    /// Computes the convolution.
    ///
    /// # Safety
    /// As [`Execution::run`].
    pub(crate) unsafe fn compute(&self, opened: &Opened, addresses: [u64; 3], workspace: u64) -> Result<()> {
        // SAFETY: by the contract of this function.
        unsafe { self.execution.run(opened.handle, addresses, workspace) }
    }
}

impl Cuda {
    /// Sets the convolutions that cuDNN computes from now on, like `IVON_CUDNN`.
    #[doc(hidden)]
    pub fn set_cudnn(&self, computes: Cudnn) {
        self.dnn.computes.set(computes);
    }

    /// The convolutions that cuDNN computes, if it is found.
    pub(crate) fn convolutions_of_cudnn(&self) -> Cudnn {
        self.dnn.computes.get()
    }

    /// Returns the opened library. `None` if it is not found, not wanted, or fails to start; a failure prints one notice.
    pub(crate) fn cudnn(&self) -> Option<&Opened> {
        if self.dnn.computes.get() == Cudnn::Off {
            return None;
        }
        let open = || {
            let opened = libraries::has_cudnn().then(|| Opened::on(self))?;
            opened.inspect_err(|error| notice::once("cuDNN", &format!("{error}. {INSTEAD}"))).ok()
        };
        self.dnn.opened.get_or_init(open).as_ref()
    }
}

impl Opened {
    fn on(cuda: &Cuda) -> Result<Opened> {
        cuda.bind()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the function writes one pointer.
        told(unsafe { sys::cudnnCreate(&mut handle) }, || "start".into())?;
        let opened = Opened { handle, ways: RefCell::default() };
        // SAFETY: both exist; the stream lives as long as the GPU, which outlives this.
        told(unsafe { sys::cudnnSetStream(handle, cuda.stream.cu_stream().cast()) }, || "take our stream".into())?;
        Ok(opened)
    }

    /// Returns the engine for a convolution. If there is none, prints a notice that names the code that runs `instead`.
    pub(crate) fn way(&self, cuda: &Cuda, c: Convolution, instead: &str) -> Option<Rc<Way>> {
        let find = || {
            let found = self.best(cuda, &c);
            let problem = match &found {
                Ok(Some(_)) => None,
                Ok(None) => Some("none of its engines gives the same bits each time and works in at most 1 GiB".to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = problem {
                let about = format!("cuDNN, product: {:?}", c.product);
                notice::once(&about, &format!("cuDNN does not compute {c} (and perhaps others): {problem}. {instead}"));
            }
            Some(Rc::new(Way { convolution: c, execution: found.ok()?? }))
        };
        self.ways.borrow_mut().entry(c).or_insert_with(find).clone()
    }

    /// Returns the first suitable engine, or the fastest of a few if they are measured.
    fn best(&self, cuda: &Cuda, c: &Convolution) -> Result<Option<Execution>> {
        let mut all: Vec<Execution> = executions(c, Gpu::Opened(self.handle))?.take(cuda.ways_wanted()).collect();
        let best = cuda.choose(
            &format!("cuDNN {}, {c:?}", version()),
            all.len(),
            || {
                let sizes = [c.x, c.weight, c.y].map(|sizes| sizes.iter().product::<usize>() * c.dtype.bytes());
                let most = all.iter().map(|execution| execution.workspace).max().unwrap_or(0);
                [sizes[0], sizes[1], sizes[2], most].into_iter().map(|bytes| cuda.scratch(bytes)).collect::<Result<Vec<_>>>()
            },
            |scratch, i| {
                let [x, weight, y, workspace] = [0, 1, 2, 3].map(|i| scratch[i].address());
                // SAFETY: the memory has the sizes of the convolution's tensors, and the workspace has the largest required size.
                unsafe { all[i].run(self.handle, [x, weight, y], workspace) }
            },
        );
        Ok((best < all.len()).then(|| all.swap_remove(best)))
    }
}

fn version() -> usize {
    // SAFETY: the function has no arguments.
    unsafe { sys::cudnnGetVersion() }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // They must be dropped before the handle for which they were made.
        self.ways.borrow_mut().clear();
        // SAFETY: the handle was created and is destroyed once. A failure cannot be handled here.
        let _ = unsafe { sys::cudnnDestroy(self.handle) };
    }
}

/// Returns the engines that are allowed and supported, in the order in which cuDNN proposes them.
fn executions(c: &Convolution, gpu: Gpu) -> Result<impl Iterator<Item = Execution>> {
    let dtype = c.dtype;
    // An engine without notes is not used.
    let allowed = move |configuration: &Descriptor| graph::allowed(configuration, dtype).unwrap_or(false);
    let graph = Graph::new(c, gpu)?;
    let configurations = graph.configurations(gpu)?;
    // An engine that cannot be prepared does not support this shape on this GPU.
    let ready = move |configuration| {
        let _while_it_lives = &graph;
        Execution::new(configuration, gpu).ok()
    };
    let fits = |execution: &Execution| execution.workspace <= MOST_WORKSPACE;
    Ok(configurations.into_iter().filter(allowed).filter_map(ready).filter(fits))
}

/// Returns the workspace in bytes that cuDNN needs for a convolution on the described GPU (cuDNN's own description, in JSON);
/// `None` if no engine is suitable. Requires the library, 9.8 or later, but no GPU.
///
/// # Errors
/// If the library rejects the description or the convolution.
#[doc(hidden)]
pub fn workspace(c: &Convolution, gpu: &str) -> Result<Option<usize>> {
    let gpu = Descriptor::of(Kind::CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, |device| {
        device.set(Name::CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, Type::CUDNN_TYPE_CHAR, gpu.as_bytes())
    })?;
    Ok(executions(c, Gpu::Described(&gpu))?.next().map(|execution| execution.workspace))
}
