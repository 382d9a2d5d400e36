//! Every kernel, those that the macro writes included, compiled to machine code for the GPUs that matter, by NVIDIA's own compiler, which needs
//! no GPU: nothing may spill registers to memory. Where NVRTC is says `IVON_NVRTC`; `.ci/nvrtc` fetches it.

use cudarc::nvrtc::{result, sys};
use ivon_runtime::DType;
use ivon_runtime::cuda::Text;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

#[path = "shared/pointwise.rs"]
mod pointwise;

/// Compute capabilities of A100, H100 and B200.
const GPUS: [(u32, u32); 3] = [(8, 0), (9, 0), (10, 0)];

/// Loads NVRTC, if it is there.
fn nvrtc() -> bool {
    let Some(folder) = std::env::var_os("IVON_NVRTC").filter(|f| !f.is_empty()).map(PathBuf::from) else {
        ivon_emulator::skipped(
            "kernels are not compiled for GPUs: set IVON_NVRTC to the directory of libnvrtc (.ci/nvrtc prints one)",
        );
        return false;
    };
    let mut libraries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("IVON_NVRTC is {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("libnvrtc")))
        .filter(|path| !path.to_string_lossy().contains(".alt") && !path.to_string_lossy().ends_with(".a"))
        .collect();
    // The built-in parts first: the library does not say where they lie.
    libraries.sort_by_key(|path| !path.to_string_lossy().contains("builtins"));
    for library in &libraries {
        // SAFETY: NVIDIA's compiler, whose start does nothing but set itself up. It stays for the life of the process.
        std::mem::forget(unsafe { libloading::Library::new(library) }.unwrap_or_else(|e| panic!("{}: {e}", library.display())));
    }
    // SAFETY: it only looks for the library.
    assert!(unsafe { sys::is_culib_present() }, "{} holds no libnvrtc", folder.display());
    true
}

/// The resources of a kernel, from the output of ptxas.
#[derive(Default, Clone, Debug)]
struct Kernel {
    registers: u32,
    spilled: u32,
    stack: u32,
    shared: u32,
}

/// Compiles a text; the kernels by name, or the compiler's complaints.
fn compile(text: &str, gpu: (u32, u32)) -> Result<BTreeMap<String, Kernel>, String> {
    let source = CString::new(text).unwrap();
    let program = result::create_program(&source, None).unwrap();
    let options = ivon_runtime::cuda::options(gpu);
    // SAFETY: the program is alive until it is destroyed below.
    let (compiled, log) = unsafe {
        let compiled = result::compile_program(program, &options);
        let log = result::get_program_log(program).unwrap();
        let log = CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned();
        result::destroy_program(program).unwrap();
        (compiled, log)
    };
    compiled.map(|()| report(&log)).map_err(|_| log)
}

/// Reads ptxas' report: a line with the kernel's name, one with its memory, one with its registers.
fn report(log: &str) -> BTreeMap<String, Kernel> {
    let mut kernels = BTreeMap::new();
    let (mut name, mut kernel) = (String::new(), Kernel::default());
    let before = |line: &str, unit: &str| -> u32 {
        let number = line.split(unit).next().and_then(|head| head.split([' ', ',']).rfind(|word| !word.is_empty()));
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            name = rest.split('\'').next().unwrap_or_default().into();
            kernel = Kernel::default();
        } else if line.contains("spill stores") {
            kernel.stack = before(line, " bytes stack frame");
            kernel.spilled = before(line, " bytes spill stores") + before(line, " bytes spill loads");
        } else if line.contains(" registers") {
            kernel.registers = before(line, " registers");
            kernel.shared = if line.contains("bytes smem") { before(line, " bytes smem") } else { 0 };
            kernels.insert(std::mem::take(&mut name), kernel.clone());
        }
    }
    kernels
}

/// Compiles all of these for all architectures, in f32 and bf16, and prints a table.
fn compile_all(sources: &[(String, &dyn Fn(DType) -> String)]) {
    let work: Vec<_> = sources
        .iter()
        .flat_map(|(name, text)| [DType::F32, DType::Bf16].map(|dtype| (name, dtype, text(dtype))))
        // Tensor cores are for bf16.
        .filter(|(name, dtype, _)| !(name.starts_with("flash") && *dtype == DType::F32))
        .flat_map(|(name, dtype, text)| GPUS.map(|gpu| (format!("{name} {dtype:?}"), gpu, text.clone())))
        .collect();
    let (next, table) = (Mutex::new(work.iter()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|s| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            s.spawn(|| {
                while let Some((name, gpu, text)) = { next.lock().unwrap().next() } {
                    let compiled = compile(text, *gpu);
                    table.lock().unwrap().insert((name.clone(), *gpu), compiled);
                }
            });
        }
    });
    let mut bad = vec![];
    for ((name, (major, minor)), compiled) in table.into_inner().unwrap() {
        let architecture = format!("sm_{major}{minor}");
        match compiled {
            Err(log) => bad.push(format!("{name} does not compile for {architecture}:\n{log}")),
            Ok(kernels) => {
                assert!(!kernels.is_empty(), "{name}: no kernel found in ptxas' report");
                for (kernel, Kernel { registers, spilled, stack, shared }) in kernels {
                    println!(
                        "{name:28} {architecture:7} {kernel:28} {registers:4} registers {shared:6} B shared {spilled} B spilled"
                    );
                    if spilled > 0 || stack > 0 {
                        bad.push(format!("{kernel} of {name} for {architecture}: {spilled} bytes spilled, {stack} of stack"));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn kernels_written_by_hand() {
    if !nvrtc() {
        return;
    }
    let sources = ivon_runtime::cuda::sources();
    let texts: Vec<_> = sources.iter().map(|s| (s.name().to_string(), |dtype: DType| s.whole(dtype))).collect();
    let all: Vec<_> = texts.iter().map(|(name, text)| (name.clone(), text as &dyn Fn(DType) -> String)).collect();
    compile_all(&all);
}

#[test]
fn kernels_that_the_macro_writes() {
    if !nvrtc() {
        return;
    }
    let kernels = pointwise::kernels();
    assert!(kernels.len() > 25, "the test models have more kernels than {}", kernels.len());
    // One program of them all: each in a namespace, under a name of its own. A thread works on 16 bytes, or on one element.
    let together = |dtype: DType| {
        let mut all = String::new();
        let sources: Vec<Text> =
            [16 / dtype.bytes(), 1].into_iter().flat_map(|vector| kernels.iter().map(move |k| k.source(vector))).collect();
        for (i, source) in sources.iter().enumerate() {
            let whole = source.whole(dtype);
            let (header, own) = whole.split_once("#line 1").unwrap();
            if i == 0 {
                all += header;
            }
            let own = own
                .split_once('\n')
                .unwrap()
                .1
                .replace("void __launch_bounds__(256) pointwise(", &format!("void pointwise_{i}("));
            all += &format!("namespace k{i} {{\n{own}}}\n");
        }
        all
    };
    compile_all(&[("pointwise".into(), &together)]);
}

/// The list of sources is kept by hand; no file may be missing from it.
#[test]
fn every_kernel_file_is_among_the_sources() {
    let sources = ivon_runtime::cuda::sources();
    let all: Vec<String> = sources.iter().map(|s| s.whole(DType::F32)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ivon-runtime/src");
    let mut folders = vec![root];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "cu") {
                found += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(all.iter().any(|source| source.contains(&text)), "{} is in no source", path.display());
            }
        }
    }
    assert!(found > 8, "only {found} files of kernels were found");
}
