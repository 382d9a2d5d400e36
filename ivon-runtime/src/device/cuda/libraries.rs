//! Which of NVIDIA's libraries are there, where they were looked for, and how to get what is missing.
//!
//! cudarc loads a library by its name at the first call into it, and panics where there is none or where it lacks the function. So each one is
//! looked for here first, by name and then in the places where toolkits and Python packages put it, and loaded by its path: a later loading
//! by name then finds the loaded one.

use super::error::Context as _;
use crate::error::{Error, Result};
use cudarc::driver::CudaContext;
use libloading::Library as Loaded;
use serde::Serialize;
use std::ffi::c_int;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

/// A directory that [`report`] looks in first, or several, separated as in `PATH`.
pub const VARIABLE: &str = "IVON_CUDA_LIBRARIES";

/// One of NVIDIA's libraries.
struct Library {
    name: &'static str,
    /// What it is for.
    purpose: &'static str,
    /// Whether nothing goes without it.
    needed: bool,
    /// File names by which it may go, the preferred one first.
    files: &'static [&'static str],
    /// Directories of Python packages, below `site-packages`.
    packages: &'static [&'static str],
    /// Functions without which it is of no use.
    functions: &'static [&'static str],
    /// What has to be loaded before it, from the same directory.
    before: &'static [&'static str],
    version: fn(&Loaded) -> Option<String>,
    /// How to get it.
    get: &'static str,
}

const LIBRARIES: [Library; 6] = [
    Library {
        name: "driver",
        purpose: "the card itself",
        needed: true,
        files: &["libcuda.so.1", "libcuda.so"],
        packages: &[],
        functions: &[
            "cuInit",
            "cuDeviceGetCount",
            "cuDevicePrimaryCtxRetain",
            "cuCtxSetCurrent",
            "cuMemsetD8Async",
            "cuMemcpyHtoDAsync_v2",
            "cuMemcpyDtoHAsync_v2",
            "cuModuleLoadData",
            "cuLaunchKernel",
            "cuStreamBeginCapture_v2",
            "cuGraphInstantiateWithFlags",
            "cuGetErrorString",
        ],
        before: &[],
        version: |library| number(library, b"cuDriverGetVersion\0").map(|n| format!("CUDA {}.{}", n / 1000, n % 1000 / 10)),
        get: "install the NVIDIA driver, 525 or later, from https://www.nvidia.com/drivers or your distribution",
    },
    Library {
        name: "NVRTC",
        purpose: "compiles kernels for the card",
        needed: true,
        files: &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
        packages: &["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", "torch/lib"],
        functions: &["nvrtcVersion", "nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBIN", "nvrtcGetProgramLog"],
        // Its packages of CUDA 13.0 do not say where it lies.
        before: &["libnvrtc-builtins.so"],
        version: |library| {
            // SAFETY: that is its type in NVIDIA's header.
            let ask = unsafe { library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(b"nvrtcVersion\0") }.ok()?;
            let (mut major, mut minor) = (0, 0);
            // SAFETY: it writes the two numbers.
            let code = unsafe { ask(&mut major, &mut minor) };
            (code == 0).then(|| format!("{major}.{minor}"))
        },
        get: "pip install nvidia-cuda-nvrtc, or install the CUDA toolkit (13, or 12)",
    },
    Library {
        name: "cuBLASLt",
        purpose: "products of matrices",
        needed: true,
        files: &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
        packages: &["nvidia/cu13/lib", "nvidia/cublas/lib", "torch/lib"],
        functions: &["cublasLtCreate", "cublasLtMatmul", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulDescSetAttribute"],
        before: &[],
        version: |library| {
            size(library, b"cublasLtGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100))
        },
        get: "pip install nvidia-cublas, or install the CUDA toolkit (13, or 12)",
    },
    Library {
        name: "cuDNN",
        purpose: "fast convolutions; without it our own kernels serve, slowly",
        needed: false,
        files: &["libcudnn.so.9"],
        packages: &["nvidia/cudnn/lib", "torch/lib"],
        functions: &[
            "cudnnGetVersion",
            "cudnnCreate",
            "cudnnSetStream",
            "cudnnGetLastErrorString",
            "cudnnBackendCreateDescriptor",
            "cudnnBackendSetAttribute",
            "cudnnBackendGetAttribute",
            "cudnnBackendFinalize",
            "cudnnBackendExecute",
        ],
        before: &[],
        version: |library| size(library, b"cudnnGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100)),
        get: "pip install nvidia-cudnn-cu13",
    },
    Library {
        name: "NCCL",
        purpose: "several cards; not used yet",
        needed: false,
        files: &["libnccl.so.2", "libnccl.so"],
        packages: &["nvidia/nccl/lib", "torch/lib"],
        functions: &["ncclGetVersion", "ncclAllReduce"],
        before: &[],
        version: |library| number(library, b"ncclGetVersion\0").map(|n| format!("{}.{}.{}", n / 10000, n % 10000 / 100, n % 100)),
        get: "pip install nvidia-nccl-cu13",
    },
    Library {
        name: "NVTX",
        purpose: "ranges of layers and ops for Nsight Systems",
        needed: false,
        files: &["libnvtx3interop.so.1", "libnvtx3interop.so", "libnvToolsExt.so.1", "libnvToolsExt.so"],
        packages: &["nvidia/cu13/lib", "nvidia/nvtx/lib"],
        functions: &["nvtxRangePushA", "nvtxRangePop"],
        before: &[],
        version: |_| None,
        get: "pip install nvidia-nvtx",
    },
];

/// Asks a function of type `int f(int *)`.
fn number(library: &Loaded, name: &[u8]) -> Option<i64> {
    // SAFETY: that is the type of the functions asked for here in NVIDIA's headers.
    let ask = unsafe { library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(name) }.ok()?;
    let mut number = 0;
    // SAFETY: it writes one number.
    let code = unsafe { ask(&mut number) };
    (code == 0).then_some(number as i64)
}

/// Asks a function of type `size_t f(void)`.
fn size(library: &Loaded, name: &[u8]) -> Option<usize> {
    // SAFETY: that is the type of the functions asked for here in NVIDIA's headers.
    let ask = unsafe { library.get::<unsafe extern "C" fn() -> usize>(name) }.ok()?;
    // SAFETY: it reads nothing.
    Some(unsafe { ask() })
}

/// What was found of CUDA on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The cards, if the driver works.
    pub cards: Vec<Card>,
    /// Why there are no cards, if there are none.
    pub problem: Option<String>,
    /// The libraries.
    pub libraries: Vec<Finding>,
    /// Directories that were looked in, besides those of the system's loader.
    pub looked_in: Vec<PathBuf>,
}

/// A card.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// What `--device` calls it.
    pub device: String,
    /// What its maker calls it.
    pub name: String,
    /// Compute capability: "9.0".
    pub capability: String,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of memory that nobody uses.
    pub free: usize,
}

/// What became of the search for one library.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The library.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether CUDA cannot be used without it.
    pub needed: bool,
    /// Where it is; a bare name was found by the system's loader.
    pub path: Option<PathBuf>,
    /// Its version, if it says so.
    pub version: Option<String>,
    /// Why it cannot be used, where something of its name is there.
    pub problems: Vec<String>,
    /// How to get it, where it is missing.
    pub get: Option<&'static str>,
}

impl Report {
    /// Whether a model can run on a card.
    pub fn usable(&self) -> bool {
        !self.cards.is_empty() && self.libraries.iter().all(|l| l.path.is_some() || !l.needed)
    }

    /// The report as lines of text.
    pub fn text(&self) -> String {
        let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
        let mut text = String::new();
        for card in &self.cards {
            let Card { device, name, capability, memory, free } = card;
            let (memory, free) = (gib(*memory), gib(*free));
            let _ = writeln!(text, "{device}     {name}, compute capability {capability}, {memory:.1} GiB, {free:.1} free");
        }
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "no card    {problem}");
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

/// Looks for the libraries, loads them, and asks the driver for the cards; once in a process.
pub fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| search(&directories()))
}

/// Whether there is a driver: without one nothing else needs to be looked for, and most machines have none.
pub(super) fn has_driver() -> bool {
    LIBRARIES[0].find(&directories()).path.is_some()
}

/// Whether convolutions can be left to cuDNN.
pub(super) fn has_cudnn() -> bool {
    report().libraries.iter().any(|library| library.name == "cuDNN" && library.path.is_some())
}

/// The library of ranges for NVIDIA's tools.
pub(crate) fn ranges() -> Result<Loaded> {
    let finding = LIBRARIES[5].find(&directories());
    let Some(path) = finding.path else {
        let message = format!("there is no NVTX library to make ranges with: {}", LIBRARIES[5].get);
        return Err(Error::Device { message });
    };
    // SAFETY: it is loaded already, see `Library::load`.
    unsafe { Loaded::new(&path) }.map_err(|e| Error::Device { message: format!("{}: {e}", path.display()) })
}

/// An error that says what is missing, where CUDA cannot be used on this card.
pub(crate) fn require(ordinal: usize) -> Result<()> {
    let report = report();
    let problem = if !report.usable() {
        "CUDA cannot be used here".to_string()
    } else if ordinal >= report.cards.len() {
        format!("there is no cuda:{ordinal}: there are {}", report.cards.len())
    } else {
        return Ok(());
    };
    Err(Error::Device { message: format!("cuda:{ordinal} was asked for, but {problem}\n{}", report.text().trim_end()) })
}

fn search(directories: &[PathBuf]) -> Report {
    let libraries: Vec<Finding> = LIBRARIES.iter().map(|library| library.find(directories)).collect();
    let (cards, problem) = match libraries[0].path {
        None => (vec![], Some("there is no NVIDIA driver".to_string())),
        Some(_) => match cards() {
            Ok(cards) if cards.is_empty() => (cards, Some("the driver works, but finds no card".to_string())),
            Ok(cards) => (cards, None),
            Err(error) => (vec![], Some(error.to_string())),
        },
    };
    Report { cards, problem, libraries, looked_in: directories.iter().filter(|d| d.is_dir()).cloned().collect() }
}

/// The cards of a driver that is there and complete.
fn cards() -> Result<Vec<Card>> {
    let count = CudaContext::device_count().doing("count the cards")?;
    let card = |ordinal: usize| {
        let context = CudaContext::new(ordinal).doing(&format!("open cuda:{ordinal}"))?;
        let (major, minor) = context.compute_capability().doing("ask for the compute capability")?;
        let (free, memory) = context.mem_get_info().doing("ask for the memory")?;
        Ok(Card {
            device: format!("cuda:{ordinal}"),
            name: context.name().doing("ask for the card's name")?,
            capability: format!("{major}.{minor}"),
            memory,
            free,
        })
    };
    (0..count.unsigned_abs() as usize).map(card).collect()
}

impl Library {
    /// Loads the first of its files that can be used: of the directory named by hand, of the system, of toolkits and packages.
    fn find(&self, directories: &[PathBuf]) -> Finding {
        let mut finding = Finding {
            name: self.name,
            purpose: self.purpose,
            needed: self.needed,
            path: None,
            version: None,
            problems: vec![],
            get: None,
        };
        let named = named_directories().len();
        let (first, rest) = directories.split_at(named.min(directories.len()));
        let by_name = self.files.iter().map(PathBuf::from);
        let below = |directory: &PathBuf| self.files.iter().map(|file| directory.join(file)).collect::<Vec<_>>();
        let candidates = first.iter().flat_map(below).chain(by_name).chain(rest.iter().flat_map(below));
        for path in candidates {
            if path.is_absolute() {
                if !path.is_file() {
                    continue;
                }
                self.load_before(&path);
            }
            match self.load(&path) {
                Ok(version) => {
                    (finding.path, finding.version) = (Some(path), version);
                    return finding;
                }
                // A bare name that the system does not know is no finding.
                Err(problem) if path.is_absolute() || !problem.contains("cannot open") => finding.problems.push(problem),
                Err(_) => {}
            }
        }
        finding.get = Some(self.get);
        finding
    }

    fn load(&self, path: &Path) -> std::result::Result<Option<String>, String> {
        let at = path.display();
        // SAFETY: loading runs the library's initialisers; they are those of NVIDIA's libraries, which do nothing but set up themselves.
        let library = unsafe { Loaded::new(path) }.map_err(|error| {
            // The loader's own words lie one level deeper.
            let words = std::error::Error::source(&error).map_or(error.to_string(), |source| source.to_string());
            format!("{at} cannot be loaded: {words}")
        })?;
        let missing: Vec<&str> = self.functions.iter().copied().filter(|name| !has(&library, name)).collect();
        if !missing.is_empty() {
            return Err(format!("{at} is incomplete: it has no {}", missing.join(", ")));
        }
        let version = (self.version)(&library);
        // It stays loaded: what follows finds it by the name that it gives itself.
        // SAFETY: as above.
        let known = |name: &&&str| unsafe { Loaded::new(**name) }.is_ok();
        if self.needed && self.files.iter().find(known).is_none() {
            return Err(format!("{at} does not go by the name of its file (its SONAME is another)"));
        }
        std::mem::forget(library);
        Ok(version)
    }

    /// Loads what does not say by itself where it lies.
    fn load_before(&self, path: &Path) {
        let Some(files) = path.parent().and_then(|directory| std::fs::read_dir(directory).ok()) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if self.before.iter().any(|prefix| name.starts_with(prefix) && !name.contains(".alt")) {
                // SAFETY: as in `load`. If it cannot be loaded, compiling says so.
                if let Ok(library) = unsafe { Loaded::new(file.path()) } {
                    std::mem::forget(library);
                }
            }
        }
    }
}

fn has(library: &Loaded, name: &str) -> bool {
    // SAFETY: the function is not called, and so its type does not matter.
    unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_ok()
}

/// Directories named by [`VARIABLE`] or [`look_first_in`].
fn named_directories() -> Vec<PathBuf> {
    let by_hand = FIRST.lock().map_or(vec![], |first| first.clone());
    let variable = std::env::var_os(VARIABLE).unwrap_or_default();
    by_hand.into_iter().chain(std::env::split_paths(&variable).filter(|d| !d.as_os_str().is_empty())).collect()
}

static FIRST: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);

/// Lets the search for libraries, which happens once, begin in this directory. As [`VARIABLE`], for programs.
pub fn look_first_in(directory: impl Into<PathBuf>) {
    if let Ok(mut first) = FIRST.lock() {
        first.push(directory.into());
    }
}

/// Where to look: directories named by hand, then those of toolkits and of Python packages.
fn directories() -> Vec<PathBuf> {
    let mut all = named_directories();
    let toolkits = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    for toolkit in toolkits.chain([PathBuf::from("/usr/local/cuda")]) {
        all.extend(["lib64", "lib", "targets/x86_64-linux/lib"].map(|below| toolkit.join(below)));
    }
    all.push("/usr/lib/wsl/lib".into());
    for packages in python_packages() {
        let below = LIBRARIES.iter().flat_map(|library| library.packages);
        all.extend(below.map(|directory| packages.join(directory)));
    }
    // `lib64` is often another name of `lib`. Directories named by hand stay, for they are looked in before the system's.
    let named = named_directories().len();
    let mut seen = std::collections::HashSet::new();
    let mut count = 0;
    all.retain(|directory| {
        count += 1;
        seen.insert(directory.canonicalize().unwrap_or(directory.clone())) || count <= named
    });
    all
}

/// The `site-packages` of the active environments, of the user, of every Python in `PATH`, and of the system.
fn python_packages() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    roots.extend(std::env::var_os("HOME").map(|home| Path::new(&home).join(".local")));
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        if directory.join("python3").exists() {
            roots.extend(directory.parent().map(Path::to_path_buf));
        }
    }
    roots.extend(["/usr", "/usr/local"].map(PathBuf::from));
    let mut all = vec![];
    for root in roots {
        for lib in ["lib", "lib64"].map(|lib| root.join(lib)) {
            let entries = std::fs::read_dir(lib).into_iter().flatten().flatten().map(|entry| entry.path());
            let pythons = entries.filter(|p| p.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")));
            all.extend(pythons.flat_map(|python| ["site-packages", "dist-packages"].map(|packages| python.join(packages))));
        }
    }
    all.retain(|packages| packages.is_dir());
    all
}
