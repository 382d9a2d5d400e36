//! Ranges for NVIDIA's tools (NVTX), through the library found at run time.

use crate::core::error::{Error, Result};
use crate::device::cuda::libraries;
use libloading::Library;
use std::ffi::{CString, c_char, c_int};

type Push = unsafe extern "C" fn(*const c_char) -> c_int;
type Pop = unsafe extern "C" fn() -> c_int;

/// The library: CUDA 13's, or its predecessor's.
pub(crate) struct Ranges {
    push: Push,
    pop: Pop,
    /// Kept open as long as its functions are called.
    _library: Library,
}

impl Ranges {
    pub fn open() -> Result<Ranges> {
        let library = libraries::ranges()?;
        // SAFETY: these are the library's functions of these names, with the types of its documentation (nvToolsExt.h).
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
        // SAFETY: the name is a string of C for as long as the call takes, which copies it.
        unsafe { (self.push)(name.as_ptr()) };
    }

    /// Ends the innermost range.
    pub fn pop(&self) {
        // SAFETY: the function takes no argument, and a pop without a push is an error code that nothing depends on.
        unsafe { (self.pop)() };
    }
}
