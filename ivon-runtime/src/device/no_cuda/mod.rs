//! Stands in for `device/cuda` without the feature `cuda`: the same names, but no GPU can be opened.
//!
//! [`Cuda`] has no values, so nothing here ever runs, and the compiler removes the code of ops for GPUs. That code still compiles,
//! which keeps `cfg` out of it.

// Only code that cannot run uses most of this.
#![allow(dead_code)]

pub(crate) mod blas;
pub(crate) mod dnn;
#[path = "../cuda/grid.rs"]
mod grid;
pub(crate) mod libraries;
#[path = "../cuda/notice.rs"]
pub(crate) mod notice;
#[path = "../cuda/signature.rs"]
pub(crate) mod signature;
#[path = "../cuda/source.rs"]
mod source;
#[path = "../cuda/value.rs"]
mod value;

#[doc(hidden)]
pub use dnn::{Convolution, Cudnn, Product};
pub use grid::Grid;
pub use source::{Source, Text};
pub(crate) use value::{Fill, Value};

use crate::core::digest::Digest;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::Device;
use signature::Signature;
use std::rc::Rc;

/// Methods that can be called on no value.
macro_rules! never {
    ($of:ty { $($(#[$attribute:meta])* $visibility:vis fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) $(-> $result:ty)?;)* }) => {
        impl $of {
            $($(#[$attribute])* $visibility fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                $(let _ = $argument;)*
                match *self {}
            })*
        }
    };
}
/// The same for functions whose callers have a contract to keep.
macro_rules! never_unsafe {
    ($of:ty { $($visibility:vis fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) $(-> $result:ty)?;)* }) => {
        impl $of {
            $(
                /// # Safety
                /// Cannot be called.
                $visibility unsafe fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                    $(let _ = $argument;)*
                    match *self {}
                }
            )*
        }
    };
}
pub(crate) use {never, never_unsafe};

/// The text in front of every kernel. It is followed by `typedef float real;` or `typedef bf16 real;`.
pub const HEADER: &str = include_str!("../cuda/kernels/rt.cuh");

/// The notices printed on stderr so far: faults that do not stop a run.
#[doc(hidden)]
pub fn notices() -> Vec<String> {
    notice::said()
}

/// Checks the environment variables that change the use of a GPU: without one, they have no effect.
pub(crate) fn choices() -> Result<()> {
    Ok(())
}

/// The index of the first GPU on which a model can run.
pub fn first() -> Option<usize> {
    None
}

/// An opened GPU. There is none.
#[derive(Debug)]
pub enum Cuda {}

#[derive(Debug)]
pub(crate) enum Memory {}
pub(crate) enum Pinned {}
pub(crate) enum Event {}
pub(crate) enum Graph {}
pub(crate) enum Moment {}
pub(crate) enum Watch {}
pub(crate) enum Function {}
pub(crate) enum Ranges {}

#[derive(Clone, Copy)]
pub(crate) enum Queue {
    Work,
    Copies,
}

impl Cuda {
    /// Opens the GPU with this index.
    ///
    /// # Errors
    /// Always: the feature is off.
    pub fn open(ordinal: usize) -> Result<Rc<Cuda>> {
        Err(libraries::absent(&format!("cuda:{ordinal} was")))
    }

    pub(crate) fn captured<R>(&self, _: impl FnOnce() -> Result<R>) -> Result<(Graph, R)> {
        match *self {}
    }

    pub(crate) fn generated(&self, _: Digest, _: impl FnOnce() -> Result<Source>) -> Result<Rc<Source>> {
        match *self {}
    }
}

never!(Cuda {
    /// The GPU as a device.
    pub fn device(&self) -> Device;
    /// The manufacturer's name of the GPU.
    pub fn name(&self) -> &str;
    /// The compute capability.
    pub fn capability(&self) -> (u32, u32);
    /// Free and total bytes of the GPU's memory.
    ///
    /// # Errors
    /// Never.
    pub fn memory(&self) -> Result<(usize, usize)>;
    /// The number of multiprocessors.
    ///
    /// # Errors
    /// Never.
    pub fn multiprocessors(&self) -> Result<usize>;
    /// Bytes of shared memory that a block can request.
    ///
    /// # Errors
    /// Never.
    pub fn shared_memory(&self) -> Result<usize>;
    /// Waits until all work launched so far is done.
    ///
    /// # Errors
    /// Never.
    pub fn synchronize(&self) -> Result<()>;
    pub(crate) fn bind(&self) -> Result<()>;
    pub(crate) fn checks_graphs(&self) -> bool;
    pub(crate) fn blas(&self) -> Result<&blas::Blas>;
    pub(crate) fn cudnn(&self) -> Option<&dnn::Opened>;
    pub(crate) fn convolutions_of_cudnn(&self) -> Cudnn;
    pub(crate) fn function(&self, source: &Source, real: DType, name: &str, signature: &Signature) -> Result<Function>;
    pub(crate) fn launch(&self, function: &Function, kernel: &str, grid: Grid, values: &[Value]) -> Result<()>;
    pub(crate) fn allocate(&self, bytes: usize) -> Result<Memory>;
    pub(crate) fn check_room(&self, name: &str, needed: usize, now: usize, batch: usize) -> Result<()>;
    pub(crate) fn moment(&self) -> Result<Moment>;
    pub(crate) fn watch(&self, bytes: usize) -> Result<Watch>;
    pub(crate) fn event(&self) -> Result<Event>;
    pub(crate) fn record(&self, queue: Queue, event: &Event) -> Result<()>;
    pub(crate) fn wait(&self, queue: Queue, event: &Event) -> Result<()>;
    pub(crate) fn pinned(&self, bytes: usize) -> Result<Pinned>;
});
never_unsafe!(Cuda {
    pub(crate) fn upload(&self, bytes: &[u8], address: u64) -> Result<()>;
    pub(crate) fn download(&self, address: u64, bytes: &mut [u8]) -> Result<()>;
    pub(crate) fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()>;
    pub(crate) fn fill(&self, address: u64, value: Fill, count: usize) -> Result<()>;
    pub(crate) fn copy_later(&self, from: &Pinned, address: u64) -> Result<()>;
});
never!(Memory { pub fn address(&self) -> u64; });
never!(Pinned { pub fn bytes(&self) -> &[u8]; });
never!(Event { pub fn synchronize(&self) -> Result<()>; });
never!(Graph { pub fn launch(&self, what: &str) -> Result<()>; });
never!(Ranges {
    pub fn push(&self, name: &str);
    pub fn pop(&self);
});
never!(Moment { pub(crate) fn seconds_to(&self, later: &Moment) -> Result<f64>; });
never!(Watch {
    pub fn begin(&self, address: u64, bytes: usize) -> Result<()>;
    pub fn wait(&self) -> Result<Option<&[u8]>>;
});

impl Ranges {
    pub fn open() -> Result<Ranges> {
        Err(libraries::absent("ranges for NVIDIA's tools were"))
    }
}

impl Pinned {
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match *self {}
    }
}
