//! `ivon devices`, and `--device cuda:0`, on machines whose CUDA is missing, damaged, incomplete or without a GPU: never a panic, always what to do.
//! Libraries made by the C compiler stand in for NVIDIA's.

use ivon_runtime::cuda::libraries::functions;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Makes a driver of functions that return 0, but for those in `special`, which are C. Whether there is a compiler.
fn library(folder: &Path, soname: &str, functions: &[&str], special: &str) -> bool {
    library_of_name(folder, "libcuda.so.1", soname, functions, special)
}

fn library_of_name(folder: &Path, name: &str, soname: &str, functions: &[&str], special: &str) -> bool {
    let plain = functions.iter().filter(|f| !special.contains(&format!("int {f}(")));
    let plain: String = plain.map(|f| format!("int {f}() {{ return 0; }}\n")).collect();
    let source = folder.join("stub.c");
    std::fs::write(&source, plain + special).unwrap();
    let soname = format!("-Wl,-soname,{soname}");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-w", &soname, "-o"]).arg(folder.join(name)).arg(&source).status();
    match made {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(_) => {
            eprintln!("SKIPPED: there is no C compiler");
            assert!(std::env::var_os("IVON_REQUIRE_TOOLS").is_none(), "IVON_REQUIRE_TOOLS is set and there is no C compiler");
            false
        }
    }
}

/// Runs the command so that no other CUDA than that in the directory is found, unless the system has one by name.
fn ivon(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivon"))
        .args(arguments.split(' '))
        .current_dir(folder)
        .env_clear()
        .env("IVON_CUDA_LIBRARIES", folder)
        .output()
        .unwrap()
}

/// The driver of `ivon devices --json`.
fn driver(folder: &Path) -> (Value, Value) {
    let output = ivon(folder, "devices --json");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["cuda_usable"], false);
    assert!(report["cpu"]["threads"].as_u64().unwrap() > 0);
    (report["cuda"]["libraries"][0].clone(), report["cuda"]["problem"].clone())
}

/// That `--device cuda:0` ends in an error with all of these.
#[track_caller]
fn refused(folder: &Path, parts: &[&str]) {
    let output = ivon(folder, "train gpt2 --device cuda:0 --steps 1 --preset tiny");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn a_damaged_driver_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libcuda.so.1"), b"this is no library").unwrap();
    let (driver, _) = driver(folder.path());
    assert!(driver["problems"][0].as_str().unwrap().contains("libcuda.so.1 cannot be loaded"), "{driver}");
}

#[test]
fn an_incomplete_driver_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    if !library(folder.path(), "libcuda.so.1", &["cuInit", "cuDeviceGetCount"], "") {
        return;
    }
    let (driver, _) = driver(folder.path());
    let problem = driver["problems"][0].as_str().unwrap();
    assert!(problem.contains("incomplete") && problem.contains("cuLaunchKernel") && !problem.contains("cuInit"), "{problem}");
}

#[test]
fn a_driver_that_nothing_finds_by_its_name_is_named() {
    let folder = tempfile::tempdir().unwrap();
    if !library(folder.path(), "libother.so", functions("driver"), "") {
        return;
    }
    let (driver, _) = driver(folder.path());
    assert!(driver["problems"][0].as_str().unwrap().contains("SONAME"), "{driver}");
}

/// The loader tries `libcuda.so` before `libcuda.so.1`, and the system has another file of that name.
#[test]
fn the_file_that_computes_is_named() {
    let (folder, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let none = "int cuInit() { return 0; }\nint cuDeviceGetCount(int *n) { *n = 0; return 0; }\n";
    let made = library(folder.path(), "libcuda.so.1", functions("driver"), none)
        && library_of_name(system.path(), "libcuda.so", "libcuda.so", functions("driver"), none);
    if !made {
        return;
    }
    let devices = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
        command.args(["devices", "--json"]).env_clear().env("IVON_CUDA_LIBRARIES", folder.path()).env("LD_LIBRARY_PATH", path);
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["cuda"]["libraries"][0]["path"].as_str().map(std::path::PathBuf::from)
    };
    assert_eq!(devices(Path::new("/nowhere")), Some(folder.path().join("libcuda.so.1")));
    assert_eq!(devices(system.path()), Some(system.path().join("libcuda.so").canonicalize().unwrap()));
    // An incomplete library is not accepted as a driver, whatever else is there.
    assert!(library_of_name(system.path(), "libcuda.so", "libcuda.so", &["cuInit"], ""));
    assert_eq!(devices(system.path()), None);
}

#[test]
fn a_driver_without_a_gpu_is_no_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let none = "int cuInit() { return 0; }\nint cuDeviceGetCount(int *n) { *n = 0; return 0; }\n";
    if !library(folder.path(), "libcuda.so.1", functions("driver"), none) {
        return;
    }
    let (driver, problem) = driver(folder.path());
    assert!(driver["path"].as_str().unwrap().ends_with("libcuda.so.1"), "{driver}");
    assert_eq!(problem, "the driver works, but finds no GPU");
    refused(folder.path(), &["cuda:0 was asked for", "finds no GPU", "NVRTC", "cuBLASLt", "looked in"]);
}

#[test]
fn a_driver_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    // CUDA_ERROR_NO_DEVICE
    let broken = "int cuInit() { return 100; }\nint cuDeviceGetCount(int *n) { return 100; }\n";
    if !library(folder.path(), "libcuda.so.1", functions("driver"), broken) {
        return;
    }
    let (_, problem) = driver(folder.path());
    assert!(problem.as_str().unwrap().contains("CUDA_ERROR_NO_DEVICE"), "{problem}");
    refused(folder.path(), &["cuda:0 was asked for", "CUDA_ERROR_NO_DEVICE"]);
}

#[test]
fn a_gpu_that_is_too_old_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A GPU of compute capability 7.5; the driver's attributes 75 and 76 are its two numbers.
    let old = "#include <string.h>
        int cuDeviceGetCount(int *n) { *n = 1; return 0; }
        int cuDeviceGet(int *GPU, int number) { *GPU = number; return 0; }
        int cuDeviceGetName(char *to, int n, int GPU) { strncpy(to, \"an old GPU\", n); return 0; }
        int cuDeviceGetAttribute(int *to, int which, int GPU) { *to = which == 75 ? 7 : which == 76 ? 5 : 0; return 0; }
        int cuDeviceTotalMem_v2(unsigned long *to, int GPU) { *to = 16ul << 30; return 0; }
        int cuDevicePrimaryCtxRetain(void **context, int GPU) { return 2; }\n";
    if !library(folder.path(), "libcuda.so.1", functions("driver"), old) {
        return;
    }
    let output = ivon(folder.path(), "devices");
    let text = String::from_utf8_lossy(&output.stdout);
    // It is not opened, which this driver refuses.
    assert!(text.contains("an old GPU, compute capability 7.5, 16.0 GiB: too old, 8.0 or later is needed"), "{text}");
    refused(folder.path(), &["cuda:0 was asked for", "too old"]);
}

#[test]
fn the_report_for_people_has_a_line_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let output = ivon(folder.path(), "devices");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["cpu", "driver", "NVRTC", "cuBLASLt", "cuDNN", "NCCL"] {
        assert!(text.contains(part), "{text}");
    }
}
