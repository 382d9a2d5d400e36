//! Ranges for NVIDIA's tools (NVTX), with the library that is found at run time.

use crate::core::error::{Error, Result};
use crate::device::cuda::libraries;
use libloading::Library;
use std::ffi::{CString, c_char, c_int};

type Push = unsafe extern "C" fn(*const c_char) -> c_int;
type Pop = unsafe extern "C" fn() -> c_int;

/// The library: that of CUDA 13 or its predecessor.
pub(crate) struct Ranges {
    push: Push,
    pop: Pop,
    /// Keeps the library open while its functions can be called.
    _library: Library,
}

impl Ranges {
    pub fn open() -> Result<Ranges> {
        let library = libraries::ranges()?;
        // SAFETY: the library's documentation (nvToolsExt.h) declares functions with these names and types.
        let functions = unsafe {
            let push = library.get::<Push>(b"nvtxRangePushA\0").map(|f| *f);
            push.and_then(|push| Ok((push, library.get::<Pop>(b"nvtxRangePop\0").map(|f| *f)?)))
        };
        let (push, pop) = functions.map_err(|e| Error::Device { message: format!("NVTX: {e}") })?;
        Ok(Ranges { push, pop, _library: library })
    }

    /// Begins a range on this thread.
    pub fn push(&self, name: &str) {
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the name is a valid C string during the call, and the function copies it.
        unsafe { (self.push)(name.as_ptr()) };
    }

    /// Ends the innermost range.
    pub fn pop(&self) {
        // SAFETY: the function takes no arguments. A pop without a push only returns an error code.
        unsafe { (self.pop)() };
    }
}
