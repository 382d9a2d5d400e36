//! A CUDA device on the CPU, for tests only.
//!
//! [`load`] builds stand-ins for `libcuda.so`, `libnvrtc.so`, `libcublasLt.so`, `libcudnn.so.9` and the library of ranges with g++ and loads them, so that cudarc finds them before
//! it looks for the real ones. From then on the real runtime runs: sources are "compiled" by g++, kernels run one CUDA thread after the
//! other with warps, barriers and shared memory checked, streams, graphs and memory behave as the driver's, and what it forbids is refused.
//! [`Failures`] provokes errors, [`Order`] sets the order of threads, and [`Pace`] that of streams.

mod build;

pub use build::Watch;

use libloading::{Library, Symbol};
use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The kind of errors to look for while kernels run: `sanitizers` or `races`, set by [`again`].
const WATCH: &str = "IVON_EMULATOR_WATCH";

/// The stand-ins, loaded once and for the life of the process.
pub struct Emulator {
    driver: Library,
    ranges: Library,
    folder: PathBuf,
}

/// The order in which the threads of a block take turns. Results may not depend on it: where they do, a barrier is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Warp by warp, each as far as it can.
    Forward,
    /// The same from the last block, warp and lane to the first.
    Reverse,
    /// All threads up to the next point where they meet.
    Lockstep,
    /// Shuffled anew for every block; blocks side by side.
    Shuffled(u64),
}

impl Order {
    /// The orders that tests go through.
    pub const ALL: [Order; 4] = [Order::Forward, Order::Reverse, Order::Lockstep, Order::Shuffled(7)];
}

/// When submitted work of a thread's streams is done, as far as events leave that open. Results may not depend on it: if they do, a wait is
/// missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pace {
    /// At once.
    Eager,
    /// When it is waited for; the default.
    #[default]
    Late,
    /// Some of it now and then, by a seed.
    Shuffled(u64),
}

impl Pace {
    /// The paces that tests go through.
    pub const ALL: [Pace; 5] = [Pace::Eager, Pace::Late, Pace::Shuffled(1), Pace::Shuffled(2), Pace::Shuffled(3)];
}

/// Says that a test was skipped, and why.
///
/// # Panics
/// If `IVON_REQUIRE_TOOLS` is set, as CI sets it: there a skipped test is a failure.
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(std::env::var_os("IVON_REQUIRE_TOOLS").is_none(), "IVON_REQUIRE_TOOLS is set and a test was skipped: {why}");
}

/// Set where tests are to use the real GPU of a machine.
pub const REAL_GPU: &str = "IVON_TEST_GPU";

/// Loads the stand-ins, or says loudly why not: there is no g++, or a real GPU is to be tested, which cudarc would no longer find behind a
/// stand-in. A test that gets `None` is skipped.
///
/// # Panics
/// If g++ is there and the stand-ins do not compile: that is a defect of theirs.
pub fn load() -> Option<&'static Emulator> {
    static EMULATOR: OnceLock<Option<Emulator>> = OnceLock::new();
    let open = || {
        if std::env::var_os(REAL_GPU).is_some() {
            eprintln!("SKIPPED: this needs the emulator, and {REAL_GPU} asks for a real GPU");
            return None;
        }
        let folder = build::libraries(watching());
        if folder.is_none() {
            skipped("g++ was not found, which the CUDA emulator is built with; install it, or name a compiler in CXX");
        }
        folder.map(|folder| Emulator::open(&folder))
    };
    EMULATOR.get_or_init(open).as_ref()
}

/// The kind of errors that this process looks for while kernels run.
pub fn watching() -> Watch {
    match std::env::var(WATCH).as_deref() {
        Ok("sanitizers") => Watch::Sanitizers,
        Ok("races") => Watch::Races,
        _ => Watch::Nothing,
    }
}

/// This binary, to be run again under a watch; `None` without g++ with sanitizers.
fn own(watch: Watch) -> Option<Command> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    match watch {
        Watch::Nothing => {}
        Watch::Races => drop(command.env(WATCH, "races")),
        Watch::Sanitizers => {
            command.env(WATCH, "sanitizers").env("LD_PRELOAD", build::sanitizers()?);
            command.env("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0").env("UBSAN_OPTIONS", "print_stacktrace=1");
        }
    }
    Some(command)
}

/// A bug to be seeded into a kernel: the first place in its source that reads `from` is made to read `to`.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// A description of the bug.
    pub name: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// The test of this binary that has to fail.
    pub test: &'static str,
    /// The watch that is needed to find it.
    pub watch: Watch,
}

impl Mutation {
    /// Runs the test with the bug in a process of its own. Returns the message that revealed the bug.
    ///
    /// # Errors
    /// If the test passes, the bug has no place in the sources, or g++ has no sanitizers; the message states the reason.
    pub fn caught(&self) -> Result<String, String> {
        let mut command = own(self.watch).ok_or("there is no g++ with sanitizers")?;
        command
            .args(["--exact", self.test, "--nocapture", "--test-threads=1"])
            .env("IVON_EMULATOR_MUTATION", format!("{}\u{1}{}", self.from, self.to))
            // Compiled kernels are known by their text without the bug.
            .env("IVON_KERNEL_CACHE", "")
            .env("RUST_BACKTRACE", "0");
        let output = command.output().map_err(|error| error.to_string())?;
        let text = [String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout)].concat();
        if !text.contains("emulator: seeded a bug") {
            return Err(format!("{}: `{}` is in no kernel of `{}`", self.name, self.from, self.test));
        }
        if output.status.success() {
            return Err(format!("{}: `{}` passed all the same", self.name, self.test));
        }
        let signs = ["emulator: kernel", "ERROR: AddressSanitizer", "runtime error", "depend on the order", "on the CPU"];
        let line = text.lines().find(|line| signs.iter().any(|sign| line.contains(sign)));
        Ok(line.unwrap_or("it failed").chars().take(140).collect())
    }
}

/// Runs tests of this binary again in a process of their own, with a watch over the emulator and all kernels; they are skipped without g++
/// with sanitizers.
///
/// # Panics
/// If one fails there; the message holds its output.
pub fn again(watch: Watch, names: &[&str]) {
    let Some(mut command) = own(watch) else {
        return skipped("g++ with AddressSanitizer was not found");
    };
    let output = command.args(["--exact", "--nocapture", "--include-ignored", "--test-threads=1"]).args(names).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let passed = format!("{} passed", names.len());
            assert!(text.contains(&passed), "not all of {names:?} ran while {watch:?} watched:\n{text}");
        }
        Ok(output) => panic!(
            "{names:?} failed while {watch:?} watched:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{names:?} could not be run again: {error}"),
    }
}

impl Emulator {
    fn open(folder: &Path) -> Emulator {
        let open = |name: &str| {
            // SAFETY: a library of ours, built from this folder's sources; loading it runs no code but that of C++'s own start.
            match unsafe { Library::new(folder.join(name)) } {
                Ok(library) => library,
                Err(error) => panic!("{name} was built but does not load: {error}"),
            }
        };
        let driver = open("libcuda.so");
        // They stay for the life of the process: cudarc finds them by name because they are loaded.
        std::mem::forget(open("libnvrtc.so"));
        std::mem::forget(open("libcublasLt.so"));
        std::mem::forget(open("libcudnn.so.9"));
        Emulator { driver, ranges: open("libnvtx3interop.so"), folder: folder.into() }
    }

    /// The folder of the emulated libraries. The runtime searches it first, so that it does not prefer a real driver.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn symbol<T>(&self, name: &str) -> Symbol<'_, T> {
        // SAFETY: every caller names a function of `driver.cpp` with the type that it has there.
        match unsafe { self.driver.get(name) } {
            Ok(symbol) => symbol,
            Err(error) => panic!("the emulated driver lacks `{name}`: {error}"),
        }
    }

    /// The order of threads in what this thread launches from now on.
    pub fn set_order(&self, order: Order) {
        let text = match order {
            Order::Forward => "forward".to_string(),
            Order::Reverse => "reverse".to_string(),
            Order::Lockstep => "lockstep".to_string(),
            Order::Shuffled(seed) => seed.to_string(),
        };
        let text = CString::new(text).unwrap_or_default();
        let set: Symbol<unsafe extern "C" fn(*const c_char)> = self.symbol("emulator_set_order");
        // SAFETY: a string that ends with 0, which the function only reads.
        unsafe { set(text.as_ptr()) }
    }

    /// When the streams of this thread work from now on.
    pub fn set_pace(&self, pace: Pace) {
        let text = match pace {
            Pace::Eager => "eager".to_string(),
            Pace::Late => "late".to_string(),
            Pace::Shuffled(seed) => seed.to_string(),
        };
        let text = CString::new(text).unwrap_or_default();
        let set: Symbol<unsafe extern "C" fn(*const c_char)> = self.symbol("emulator_set_pace");
        // SAFETY: a string that ends with 0, which the function only reads.
        unsafe { set(text.as_ptr()) }
    }

    /// True if copies by cp.async land at once (which shows memory that is overwritten too early) or at their wait (which shows one that is
    /// missing), in what this thread launches from now on.
    pub fn set_eager_copies(&self, eager: bool) {
        let set: Symbol<unsafe extern "C" fn(c_int)> = self.symbol("emulator_set_eager_copies");
        // SAFETY: it takes a number.
        unsafe { set(eager as c_int) }
    }

    /// Sets the failures from now on.
    pub fn set_failures(&self, failures: Failures) {
        let Failures { allocation_after, launch_after, fault_after, device_lost, refused } = failures;
        let allocation: Symbol<unsafe extern "C" fn(c_long)> = self.symbol("emulator_fail_allocation_after");
        let launch: Symbol<unsafe extern "C" fn(c_long)> = self.symbol("emulator_fail_launch_after");
        let fault: Symbol<unsafe extern "C" fn(c_long)> = self.symbol("emulator_fault_after");
        let lose: Symbol<unsafe extern "C" fn(c_int)> = self.symbol("emulator_lose_device");
        let refuse: Symbol<unsafe extern "C" fn(c_int)> = self.symbol("emulator_refuse");
        let count = |n: Option<u32>| n.map_or(-1, |n| n as c_long);
        // SAFETY: they take numbers.
        unsafe {
            allocation(count(allocation_after));
            launch(count(launch_after));
            fault(count(fault_after));
            lose(device_lost as c_int);
            refuse(refused.map_or(0, |refused| refused as c_int));
        }
    }

    /// The size of the device's memory from now on. 4 GiB at the start.
    pub fn set_memory(&self, bytes: usize) {
        let set: Symbol<unsafe extern "C" fn(usize)> = self.symbol("emulator_set_memory");
        // SAFETY: it takes a number.
        unsafe { set(bytes) }
    }

    /// Bytes of shared memory that a block can ask for from now on. 227 KiB at the start, as an H100's.
    pub fn set_shared_memory(&self, bytes: usize) {
        let set: Symbol<unsafe extern "C" fn(c_int)> = self.symbol("emulator_set_shared_memory");
        // SAFETY: it takes a number.
        unsafe { set(bytes as c_int) }
    }

    /// Bytes of the device's memory in use.
    pub fn used_memory(&self) -> usize {
        let get: Symbol<unsafe extern "C" fn() -> usize> = self.symbol("emulator_used_memory");
        // SAFETY: it takes nothing.
        unsafe { get() }
    }

    /// The ranges that this thread has opened and closed so far: `forward(linear(multiply()))`.
    pub fn ranges(&self) -> String {
        // SAFETY: the function of `nvtx.cpp`, which takes nothing and gives a string that ends with 0 and lives until the next range.
        unsafe {
            match self.ranges.get::<unsafe extern "C" fn() -> *const c_char>(b"emulator_ranges\0") {
                Ok(ranges) => CStr::from_ptr(ranges()).to_string_lossy().into_owned(),
                Err(error) => panic!("the stand-in for ranges is incomplete: {error}"),
            }
        }
    }

    /// How often this thread may have had to wait for all that it had asked for, so far: it synchronised, copied memory that is not page-locked, or asked for the
    /// free memory.
    pub fn stalls(&self) -> u64 {
        let get: Symbol<unsafe extern "C" fn() -> u64> = self.symbol("emulator_stalls");
        // SAFETY: it takes nothing.
        unsafe { get() }
    }

    /// How often this thread has asked for the device's memory, and how many kernels it has launched or captured, so far.
    pub fn counts(&self) -> (u64, u64) {
        let allocations: Symbol<unsafe extern "C" fn() -> u64> = self.symbol("emulator_allocations");
        let launches: Symbol<unsafe extern "C" fn() -> u64> = self.symbol("emulator_launches");
        // SAFETY: they take nothing.
        unsafe { (allocations(), launches()) }
    }
}

/// Failures to provoke; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    /// After this many more allocations the memory is exhausted.
    pub allocation_after: Option<u32>,
    /// After this many more launches the next one fails.
    pub launch_after: Option<u32>,
    /// After this many more kernels, including those of graphs, one reads an invalid address. Its launch succeeds; the error is reported
    /// when the kernel is waited for. Every call fails from then on, until the context is destroyed.
    pub fault_after: Option<u32>,
    /// The device is gone: everything fails.
    pub device_lost: bool,
    /// A feature that a library refuses, as the real one may.
    pub refused: Option<Refused>,
}

/// `Refusal` of `driver.h`.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    /// cuBLASLt knows no way to do anything along with a product.
    Epilogues = 1,
    /// cuDNN does not start.
    Cudnn = 2,
    /// cuDNN takes no graph.
    Descriptions = 4,
    /// Its heuristics name no engine.
    Configurations = 8,
    /// No engine takes the shape.
    Plans = 16,
    /// Streams allocate no memory.
    StreamOrdered = 32,
}
