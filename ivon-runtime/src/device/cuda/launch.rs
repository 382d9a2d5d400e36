//! Kernel launches with addresses and numbers.

use super::error::Context as _;
use super::signature::Signature;
use super::{Cuda, Grid, Source, Value};
use crate::core::error::Result;
use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg, sys};

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
        // SAFETY: number and kinds of the arguments are those of the declaration (`Source::check`), and the compiled kernel takes
        // arguments of these sizes (`check_sizes`). Pointers to be written are the only handles on their memory, and all memory
        // lives as long as the stream may use it. The creator of the `Source` guarantees the behaviour of the kernel.
        let launched = unsafe { launch.launch(config) };
        launched.map(drop).doing(&format!("launch `{kernel}`"))
    }
}

/// Checks that a compiled kernel takes arguments of the sizes that its text declares. The driver copies as many bytes as the
/// kernel takes, even if the arguments are smaller.
///
/// # Errors
/// If the sizes differ, for example because of macros or conditions of the preprocessor.
pub(super) fn check_sizes(function: &CudaFunction, source: &Source, kernel: &str, signature: &Signature) -> Result<()> {
    let mut taken = vec![];
    loop {
        let (mut offset, mut size) = (0, 0);
        // SAFETY: the function exists, and two numbers are written. The driver has `cuFuncGetParamInfo`: a driver without it is
        // rejected when the libraries are opened.
        let code = unsafe { sys::cuFuncGetParamInfo(function.cu_function(), taken.len(), &mut offset, &mut size) };
        match code {
            // The driver returns this code for an index after the last parameter.
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
