//! Builds the stand-ins with whatever g++ there is, once for every state of their sources.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &[(&str, &str)] = &[
    ("cublaslt.cpp", include_str!("../cpp/cublaslt.cpp")),
    ("cudnn.cpp", include_str!("../cpp/cudnn.cpp")),
    ("device.h", include_str!("../cpp/device.h")),
    ("driver.cpp", include_str!("../cpp/driver.cpp")),
    ("driver.h", include_str!("../cpp/driver.h")),
    ("modules.cpp", include_str!("../cpp/modules.cpp")),
    ("modules.h", include_str!("../cpp/modules.h")),
    ("nvrtc.cpp", include_str!("../cpp/nvrtc.cpp")),
    ("nvtx.cpp", include_str!("../cpp/nvtx.cpp")),
    ("races.cpp", include_str!("../cpp/races.cpp")),
    ("races.h", include_str!("../cpp/races.h")),
    ("scheduler.cpp", include_str!("../cpp/scheduler.cpp")),
    ("scheduler.h", include_str!("../cpp/scheduler.h")),
    ("streams.cpp", include_str!("../cpp/streams.cpp")),
    ("streams.h", include_str!("../cpp/streams.h")),
    ("warp.cpp", include_str!("../cpp/warp.cpp")),
];

/// The sources of the stand-in for the driver.
const DRIVER: &[&str] = &["driver.cpp", "streams.cpp", "modules.cpp", "races.cpp", "scheduler.cpp", "warp.cpp"];

/// Kernels use types as bits, and must round as they say: no contraction of a product and a sum.
const COMMON: &str = "-std=c++17 -fPIC -fno-strict-aliasing -ffp-contract=off -fvisibility=hidden -w -g1";
const FAST: &str = "-O2";
/// Accesses are told to `races.cpp`. The option for modules alone: with it the linker would bring ThreadSanitizer.
const RACES: (&str, &str) = ("-O2 -DEMULATOR_RACES", "-fsanitize=thread");
/// Shared memory lies in a section of its own, which is told to ASan (an option of g++ alone).
const SANITIZED: &str = "-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fsanitize-sections=emulator_shared";

/// The kind of errors to look for while kernels run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    Nothing,
    /// Accesses out of bounds, misaligned ones and other undefined behaviour, by AddressSanitizer and UndefinedBehaviorSanitizer.
    Sanitizers,
    /// Accesses to the same memory that nothing orders.
    Races,
}

fn compiler() -> Option<String> {
    let name = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
    let found = Command::new(&name).arg("--version").env_remove("LD_PRELOAD").output().ok()?;
    found.status.success().then_some(name)
}

/// The libraries to preload, so that a process that was not built with sanitizers runs code that was.
pub fn sanitizers() -> Option<String> {
    let compiler = compiler()?;
    let find = |name: &str| {
        let output = Command::new(&compiler).arg(format!("-print-file-name={name}")).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?.trim().to_string();
        // If the library is not found, the name alone comes back.
        path.contains('/').then_some(path)
    };
    Some(format!("{}:{}", find("libasan.so")?, find("libubsan.so")?))
}

/// The directory with `libcuda.so`, `libnvrtc.so`, `libcublasLt.so`, `libnvtx3interop.so` and `libcudnn.so.9`; `None` without a compiler.
///
/// # Panics
/// If they do not compile.
pub fn libraries(watch: Watch) -> Option<PathBuf> {
    let compiler = compiler()?;
    let (own, of_modules) = match watch {
        Watch::Nothing => (FAST, ""),
        Watch::Sanitizers => (SANITIZED, ""),
        Watch::Races => RACES,
    };
    let flags = format!("{COMMON} {own}");
    let folder = folder(&format!("{compiler} {flags} {of_modules}"));
    if folder.join("libcublasLt.so").exists() {
        return Some(folder);
    }
    // Built aside and moved, so that tests in other processes never see half of it.
    let own = folder.with_extension(std::process::id().to_string());
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&own)?;
        SOURCES.iter().try_for_each(|(name, text)| std::fs::write(own.join(name), text))
    };
    write().unwrap_or_else(|error| panic!("{}: {error}", own.display()));
    let text = |name: &str, text: &str| format!("-D{name}=\"{text}\"");
    let compiling = format!("{compiler} {flags}");
    let places = [("FOLDER", folder.to_string_lossy().as_ref()), ("COMPILER", &compiling), ("WATCH", of_modules)]
        .map(|(name, value)| text(&format!("EMULATOR_{name}"), value));
    let link = |name: &str, sources: &[&str], needs: &[&str]| {
        let mut command = Command::new(&compiler);
        command.current_dir(&own).env_remove("LD_PRELOAD").args(flags.split(' ')).args(&places).arg("-shared").args(sources);
        command.args(needs).args([&format!("-Wl,-soname,{name}"), "-o", name]);
        match command.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("{name} does not compile:\n{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("{compiler}: {error}"),
        }
    };
    std::thread::scope(|s| {
        let driver = s.spawn(|| link("libcuda.so", DRIVER, &[]));
        if driver.join().is_ok() {
            s.spawn(|| link("libnvrtc.so", &["nvrtc.cpp"], &["libcuda.so"]));
            s.spawn(|| link("libnvtx3interop.so", &["nvtx.cpp"], &[]));
            s.spawn(|| link("libcublasLt.so", &["cublaslt.cpp"], &["libcuda.so"]));
            s.spawn(|| link("libcudnn.so.9", &["cudnn.cpp"], &["libcuda.so"]));
        }
    });
    if std::fs::rename(&own, &folder).is_err() {
        // Another process was faster.
        let _ = std::fs::remove_dir_all(&own);
    }
    Some(folder)
}

/// `target/<profile>/emulator/<hash of sources and flags>`.
fn folder(flags: &str) -> PathBuf {
    // FNV-1a: the same in every build.
    let hash = SOURCES
        .iter()
        .flat_map(|(name, text)| name.bytes().chain(text.bytes()))
        .chain(flags.bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |h, byte| (h ^ byte as u64).wrapping_mul(0x100_0000_01b3));
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.parent().and_then(Path::parent).map_or_else(std::env::temp_dir, Path::to_path_buf);
    target.join("emulator").join(format!("{hash:016x}"))
}
