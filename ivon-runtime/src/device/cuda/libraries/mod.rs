//! Finds NVIDIA's libraries, and reports where they were searched and how to get the missing ones.
//!
//! cudarc loads a library by its name at the first call, and panics if it is not found or lacks the function. So each library is
//! searched here first, by name and then in the directories of toolkits and Python packages, and loaded by its path. A later load
//! by name returns the loaded library, unless cudarc first finds another file by one of its names. Then that file is used, and is
//! the one reported.

mod search;
mod table;

pub use search::look_first_in;

use super::error::Context as _;
use crate::core::error::{Error, Result};
use cudarc::driver::result::device;
use cudarc::driver::{CudaContext, sys};
use libloading::Library as Loaded;
use search::directories;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use table::{LIBRARIES, Library};

/// A directory, or several separated as in `PATH`, that [`report`] searches first.
pub const VARIABLE: &str = "IVON_CUDA_LIBRARIES";

/// The parts of CUDA found on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The GPUs, if the driver works.
    pub gpus: Vec<Gpu>,
    /// The reason, if there are no GPUs.
    pub problem: Option<String>,
    /// The libraries.
    pub libraries: Vec<Finding>,
    /// The directories that were searched, in addition to those of the system's loader.
    pub looked_in: Vec<PathBuf>,
}

/// A GPU.
#[derive(Clone, Debug, Serialize)]
pub struct Gpu {
    /// The value for `--device`.
    pub device: String,
    /// The manufacturer's name.
    pub name: String,
    /// Compute capability: "9.0".
    pub capability: String,
    /// The size of the memory in bytes.
    pub memory: usize,
    /// True if our kernels run on it: those for tensor cores require compute capability 8.0.
    pub usable: bool,
}

/// The lowest supported compute capability: that of Ampere, whose tensor cores compute in bf16.
const LEAST_CAPABILITY: (i32, i32) = (8, 0);

/// The result of the search for one library.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The library.
    pub name: &'static str,
    /// Its purpose.
    pub purpose: &'static str,
    /// True if CUDA cannot be used without it.
    pub needed: bool,
    /// The path of the library. The system's loader found a library with a bare name.
    pub path: Option<PathBuf>,
    /// The version, if the library reports one.
    pub version: Option<String>,
    /// The reasons why a library of this name cannot be used.
    pub problems: Vec<String>,
    /// Instructions to get the library, if it is missing.
    pub get: Option<&'static str>,
}

impl Report {
    /// True if a model can run on a GPU.
    pub fn usable(&self) -> bool {
        self.first_gpu().is_some()
    }

    /// The index of the first GPU on which a model can run.
    pub(super) fn first_gpu(&self) -> Option<usize> {
        let complete = self.libraries.iter().all(|l| l.path.is_some() || !l.needed);
        self.gpus.iter().position(|gpu| complete && gpu.usable)
    }

    /// The report as lines of text.
    pub fn text(&self) -> String {
        let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
        let mut text = String::new();
        for gpu in &self.gpus {
            let Gpu { device, name, capability, memory, usable } = gpu;
            let (major, minor) = LEAST_CAPABILITY;
            let _ = write!(text, "{device}     {name}, compute capability {capability}, {:.1} GiB", gib(*memory));
            let _ = match usable {
                true => writeln!(text),
                false => writeln!(text, ": too old, {major}.{minor} or later is needed"),
            };
        }
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "no GPU    {problem}");
        }
        for library in &self.libraries {
            let Finding { name, purpose, path, version, problems, get, .. } = library;
            let _ = match path {
                Some(path) => writeln!(text, "{name:<10} {:<10} {}", version.as_deref().unwrap_or("found"), path.display()),
                None => writeln!(text, "{name:<10} missing    ({purpose}) {}", get.unwrap_or_default()),
            };
            for problem in problems {
                let _ = writeln!(text, "           {problem}");
            }
        }
        if !self.usable() {
            let _ = write!(text, "looked in  the system's libraries");
            for directory in &self.looked_in {
                let _ = write!(text, ", {}", directory.display());
            }
            let _ = writeln!(text, "; {VARIABLE} names further directories");
        }
        text
    }
}

/// Searches all libraries, loads them, and asks the driver for the GPUs. Does so once per process.
pub fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| search(&directories(), |_| true))
}

/// [`report`] for the libraries that a computation needs, without those that are opened at their use.
pub(super) fn in_use() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| search(&directories(), |library| library.loaded_as.is_some()))
}

/// True if a driver is found. Most machines have none, and no other library is searched then.
pub(super) fn has_driver() -> bool {
    LIBRARIES[0].find(&directories()).path.is_some()
}

/// True if cuDNN is found.
pub(super) fn has_cudnn() -> bool {
    in_use().libraries.iter().any(|library| library.name == "cuDNN" && library.path.is_some())
}

/// Opens the library for ranges in NVIDIA's tools.
pub(crate) fn ranges() -> Result<Loaded> {
    let finding = LIBRARIES[5].find(&directories());
    let Some(path) = finding.path else {
        let message = format!("there is no NVTX library to make ranges with: {}", LIBRARIES[5].get);
        return Err(Error::Device { message });
    };
    // SAFETY: the library is already loaded, see `Library::load`.
    unsafe { Loaded::new(&path) }.map_err(|e| Error::Device { message: format!("{}: {e}", path.display()) })
}

/// Returns an error with the missing part if CUDA cannot be used on this GPU.
pub(crate) fn require(ordinal: usize) -> Result<()> {
    let found = in_use();
    let problem = match found.gpus.get(ordinal) {
        _ if !found.usable() => "CUDA cannot be used here".to_string(),
        None => format!("there is no cuda:{ordinal}: there are {}", found.gpus.len()),
        Some(gpu) if !gpu.usable => format!("{} is too old", gpu.name),
        Some(_) => return Ok(()),
    };
    Err(Error::Device { message: format!("cuda:{ordinal} was asked for, but {problem}\n{}", report().text().trim_end()) })
}

fn search(directories: &[PathBuf], wanted: fn(&&Library) -> bool) -> Report {
    let libraries: Vec<Finding> = LIBRARIES.iter().filter(wanted).map(|library| library.find(directories)).collect();
    let (gpus, problem) = match libraries[0].path {
        None => (vec![], Some("there is no NVIDIA driver".to_string())),
        Some(_) => match gpus() {
            Ok(gpus) if gpus.is_empty() => (gpus, Some("the driver works, but finds no GPU".to_string())),
            Ok(gpus) => (gpus, None),
            Err(error) => (vec![], Some(error.to_string())),
        },
    };
    Report { gpus, problem, libraries, looked_in: directories.iter().filter(|d| d.is_dir()).cloned().collect() }
}

/// Returns the GPUs of a driver that is found and complete. Opens none of them: that takes a part of a second and some hundred
/// MiB on each, and fails if another process uses a GPU exclusively.
fn gpus() -> Result<Vec<Gpu>> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    let count = CudaContext::device_count().doing("count the GPUs")?;
    let gpu = |ordinal: i32| {
        let gpu = device::get(ordinal).doing(&format!("find cuda:{ordinal}"))?;
        // SAFETY: the driver returned this GPU.
        let (major, minor, memory) =
            unsafe { (device::get_attribute(gpu, MAJOR), device::get_attribute(gpu, MINOR), device::total_mem(gpu)) };
        let asking = "ask for the compute capability";
        let capability = (major.doing(asking)?, minor.doing(asking)?);
        Ok(Gpu {
            device: format!("cuda:{ordinal}"),
            name: device::get_name(gpu).doing("ask for the GPU's name")?,
            capability: format!("{}.{}", capability.0, capability.1),
            memory: memory.doing("ask for the memory")?,
            usable: capability >= LEAST_CAPABILITY,
        })
    };
    (0..count).map(gpu).collect()
}

/// The functions whose presence is checked before the library of this name is used.
#[doc(hidden)]
pub fn functions(name: &str) -> &'static [&'static str] {
    LIBRARIES.iter().find(|library| library.name == name).map_or(&[], |library| library.functions)
}
