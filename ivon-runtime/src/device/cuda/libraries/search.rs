//! Finds and loads the libraries.

use super::table::{LIBRARIES, Library};
use super::{Finding, VARIABLE};
use libloading::Library as Loaded;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

impl Library {
    /// Loads the first usable file of the library: in the directories that the user named, in those of the system, in those of
    /// toolkits and packages.
    pub fn find(&self, directories: &[PathBuf]) -> Finding {
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
                Ok((version, other)) => {
                    (finding.path, finding.version) = (Some(other.unwrap_or(path)), version);
                    return finding;
                }
                // A bare name that the system does not know does not count as found.
                Err(problem) if path.is_absolute() || !problem.contains("cannot open") => finding.problems.push(problem),
                Err(_) => {}
            }
        }
        finding.get = Some(self.get);
        finding
    }

    /// Loads the library. Returns its version, and the file that cudarc loads if it is a different one.
    fn load(&self, path: &Path) -> std::result::Result<(Option<String>, Option<PathBuf>), String> {
        let at = path.display();
        // SAFETY: loading runs the library's initialisers. Those of NVIDIA's libraries only set up the library.
        let library = unsafe { Loaded::new(path) }.map_err(|error| {
            // The loader's message is the source of the error.
            let words = std::error::Error::source(&error).map_or(error.to_string(), |source| source.to_string());
            format!("{at} cannot be loaded: {words}")
        })?;
        self.check_functions(&library, &at.to_string())?;
        // Loaded libraries stay loaded: later loads find them by their own names.
        // SAFETY: as above.
        let known = |name: &&&str| unsafe { Loaded::new(**name) }.is_ok();
        if self.needed && self.files.iter().find(known).is_none() {
            return Err(format!("{at} does not go by the name of its file (its SONAME is another)"));
        }
        let other = self.loaded_as.and_then(|name| self.loaded_instead(name, &library));
        let (version, other) = match other {
            None => ((self.version)(&library), None),
            Some((other, file)) => {
                self.check_functions(&other, &format!("{}, which is loaded instead of {at},", file.display()))?;
                let version = (self.version)(&other);
                std::mem::forget(other);
                (version, Some(file))
            }
        };
        if self.loaded_as.is_some() {
            std::mem::forget(library);
        }
        Ok((version, other))
    }

    fn check_functions(&self, library: &Loaded, at: &str) -> std::result::Result<(), String> {
        let missing: Vec<&str> = self.functions.iter().copied().filter(|name| address(library, name).is_none()).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{at} is incomplete: it has no {}", missing.join(", "))) }
    }

    /// Returns the library that cudarc loads by its names, and its file, if it is not `library`.
    fn loaded_instead(&self, name: &str, library: &Loaded) -> Option<(Loaded, PathBuf)> {
        let names = cudarc::get_lib_name_candidates(name);
        // SAFETY: as in `load`. cudarc loads the same library.
        let (found, other) = names.into_iter().find_map(|name| Some((unsafe { Loaded::new(&name) }.ok()?, name)))?;
        let function = self.functions.first()?;
        let there = address(&found, function);
        if there == address(library, function) {
            return None;
        }
        let file = there.and_then(file_at).unwrap_or_else(|| PathBuf::from(other));
        Some((found, file))
    }

    /// Loads the libraries that this library would not find by itself.
    fn load_before(&self, path: &Path) {
        let Some(files) = path.parent().and_then(|directory| std::fs::read_dir(directory).ok()) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if self.before.iter().any(|prefix| name.starts_with(prefix) && !name.contains(".alt")) {
                // SAFETY: as in `load`. If it cannot be loaded, compiling reports an error.
                if let Ok(library) = unsafe { Loaded::new(file.path()) } {
                    std::mem::forget(library);
                }
            }
        }
    }
}

/// The address of a function of a library.
fn address(library: &Loaded, name: &str) -> Option<usize> {
    // SAFETY: the function is not called, so its type does not matter.
    unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.ok().map(|function| *function as usize)
}

/// The file that is mapped at an address of this process, on Linux.
fn file_at(address: usize) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let hexadecimal = |text| usize::from_str_radix(text, 16).ok();
        let is_there = (hexadecimal(start)?..hexadecimal(end)?).contains(&address);
        is_there.then(|| line.find('/').map(|at| PathBuf::from(&line[at..])))?
    })
}

/// The directories named by [`VARIABLE`] or [`look_first_in`].
fn named_directories() -> Vec<PathBuf> {
    let by_hand = FIRST.lock().map_or(vec![], |first| first.clone());
    let variable = std::env::var_os(VARIABLE).unwrap_or_default();
    by_hand.into_iter().chain(std::env::split_paths(&variable).filter(|d| !d.as_os_str().is_empty())).collect()
}

static FIRST: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);

/// Adds a directory that the search for libraries, which runs once, looks in first. The equivalent of [`VARIABLE`] for programs.
pub fn look_first_in(directory: impl Into<PathBuf>) {
    if let Ok(mut first) = FIRST.lock() {
        first.push(directory.into());
    }
}

/// The directories to search: those that the user named, then those of toolkits and of Python packages.
pub(super) fn directories() -> Vec<PathBuf> {
    let mut all = named_directories();
    let toolkits = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    for toolkit in toolkits.chain([PathBuf::from("/usr/local/cuda")]) {
        all.extend(["lib64", "lib", "targets/x86_64-linux/lib"].map(|below| toolkit.join(below)));
    }
    // The directories for the host's driver in the Windows Subsystem for Linux and in containers.
    all.extend(["/usr/lib/wsl/lib", "/usr/local/nvidia/lib64"].map(PathBuf::from));
    for packages in python_packages() {
        let below = LIBRARIES.iter().flat_map(|library| library.packages);
        all.extend(below.map(|directory| packages.join(directory)));
    }
    // `lib64` is often a link to `lib`. All directories that the user named are kept, because they are searched before the
    // system's.
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
        // A relative entry is a different directory for each working directory, perhaps one that other users can write to.
        if directory.is_absolute() && directory.join("python3").exists() {
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
