//! Launches of kernels with addresses and numbers.

use super::error::Context as _;
use super::signature::Signature;
use super::{Cuda, Grid, Source};
use crate::core::error::Result;
use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg, sys};

/// An argument as the driver takes it.
pub(crate) enum Value {
    Word(u32),
    Long(u64),
    Float(f32),
}

impl Cuda {
    pub(crate) fn launch(&self, function: &CudaFunction, kernel: &str, grid: Grid, values: &[Value]) -> Result<()> {
        if grid.shared > 48 * 1024 {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let set = function.set_attribute(attribute, grid.shared as i32);
            set.doing(&format!("give `{kernel}` {} bytes of shared memory", grid.shared))?;
        }
        let mut launch = self.stream.launch_builder(function);
        for value in values {
            match value {
                Value::Word(x) => launch.arg(x),
                Value::Long(x) => launch.arg(x),
                Value::Float(x) => launch.arg(x),
            };
        }
        let config = LaunchConfig { grid_dim: grid.blocks.into(), block_dim: grid.threads.into(), shared_mem_bytes: grid.shared };
        // SAFETY: number and kinds of the arguments are those that the text declares (`Source::check`), whose sizes are those that
        // the driver takes (`check_sizes`). Pointers to be written are the only handles on their memory, and all memory lives as long
        // as the stream may use it. For what the kernel does with them the maker of the `Source` has vouched.
        let launched = unsafe { launch.launch(config) };
        launched.map(drop).doing(&format!("launch `{kernel}`"))
    }
}

/// Checks that a compiled kernel takes arguments of the sizes that its text declares: the driver copies as many bytes as it takes,
/// whatever is there.
///
/// # Errors
/// If it does not, which macros or conditions of the preprocessor can bring about.
pub(super) fn check_sizes(function: &CudaFunction, source: &Source, kernel: &str, signature: &Signature) -> Result<()> {
    let mut taken = vec![];
    loop {
        let (mut offset, mut size) = (0, 0);
        // SAFETY: the function lives, and two numbers are written. The driver has it: libraries without it are refused when they are opened.
        let code = unsafe { sys::cuFuncGetParamInfo(function.cu_function(), taken.len(), &mut offset, &mut size) };
        match code {
            // It says so of an index behind the last parameter.
            sys::CUresult::CUDA_ERROR_INVALID_VALUE => break,
            code => code.result().doing(&format!("ask for the parameters of `{kernel}`"))?,
        }
        taken.push(size);
    }
    let declared = signature.sizes();
    if taken == declared {
        return Ok(());
    }
    let message = format!(
        "its text declares parameters of {declared:?} bytes, and the compiled kernel takes {taken:?}: declare every parameter by its \
         own type, without conditions of the preprocessor"
    );
    Err(source.refused(kernel, &message))
}
