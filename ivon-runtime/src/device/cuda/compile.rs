//! NVRTC: compiles kernels in CUDA C++ to the machine code of one kind of GPU.

use crate::core::error::{Error, Result};
use cudarc::nvrtc::result::{self, NvrtcError};
use cudarc::nvrtc::sys;
use std::ffi::{CStr, CString, c_char};

/// The compiler's options for a GPU of this compute capability. They request its machine code (`sm_`), not intermediate code for
/// the driver to translate: that would have the version of the library, which may be newer than the driver's. Functions without a
/// specifier are compiled for the GPU. These include closures, which cannot have one.
pub fn options((major, minor): (u32, u32)) -> Vec<String> {
    let architecture = format!("--gpu-architecture=sm_{major}{minor}");
    vec![architecture, "--std=c++17".into(), "--device-as-default-execution-space".into(), "--ptxas-options=-v".into()]
}

/// The version of NVRTC, a part of the key of a compiled kernel.
pub(super) fn version() -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function writes the two numbers. The library was found and loaded before.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    (major, minor)
}

/// A program under compilation. It is destroyed when dropped.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program was created and is destroyed once. A failure cannot be handled here.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Compiles a source text to a CUBIN.
///
/// # Errors
/// If the compiler finds errors, with its messages, or does not support this kind of GPU.
pub(super) fn compile(name: &str, text: &str, options: &[String]) -> Result<Vec<u8>> {
    let failed = |what: &str, error: NvrtcError, log: &str| {
        let message = format!("NVRTC could not {what} the kernels of `{name}` ({:?}) with {}", error.0, options.join(" "));
        Error::Device { message: format!("{message}\n{log}").trim_end().to_string() }
    };
    let nul = |_| Error::Device { message: format!("the kernels of `{name}` contain a zero byte") };
    let (source, file) = (CString::new(text).map_err(nul)?, CString::new(format!("{name}.cu")).map_err(nul)?);
    let program = Program(result::create_program(&source, Some(&file)).map_err(|e| failed("take", e, ""))?);
    // SAFETY: the program was created and not yet destroyed.
    if let Err(error) = unsafe { result::compile_program(program.0, options) } {
        return Err(failed("compile", error, &log(&program)));
    }
    let mut size = 0;
    // SAFETY: the program was compiled; the function writes one number.
    unsafe { sys::nvrtcGetCUBINSize(program.0, &mut size) }.result().map_err(|e| failed("measure", e, ""))?;
    let mut image = vec![0u8; size];
    // SAFETY: the function writes as many bytes as it reported.
    unsafe { sys::nvrtcGetCUBIN(program.0, image.as_mut_ptr().cast::<c_char>()) }
        .result()
        .map_err(|e| failed("hand out", e, ""))?;
    Ok(image)
}

/// The compiler's messages.
fn log(program: &Program) -> String {
    // SAFETY: the program was created and not yet destroyed.
    let Ok(log) = (unsafe { result::get_program_log(program.0) }) else { return String::new() };
    let bytes: Vec<u8> = log.iter().map(|c| *c as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map_or(String::new(), |log| log.to_string_lossy().into_owned())
}
