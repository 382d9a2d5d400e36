//! Launches of kernels, and the checks of their arguments.

use super::arg::Value;
use super::error::Context as _;
use super::signature::Signature;
use super::{Arg, Cuda, Grid, Source};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::profile::Cost;
use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg, sys};

impl Source {
    /// Launches a kernel, compiled for the type that the context computes in; in a dry run, nothing.
    ///
    /// The arguments are those of the kernel, in its order: tensors as pointers, `None` as a null pointer, `usize` as a 64-bit number.
    /// A `&mut` tensor is one that the kernel writes. A tensor in the CPU's memory is copied to the GPU first, if it is not there yet.
    ///
    /// # Errors
    /// If the arguments are not those that the text declares: their number, the kind of each, the element type of a tensor, `const`
    /// for tensors that are read and none for those that are written. If a tensor to be written is shared or not on the GPU of the
    /// context. If the kernels cannot be compiled or launched. If the context computes on the CPU.
    pub fn launch(&self, cx: &Context, kernel: &str, grid: Grid, args: &mut [Arg]) -> Result<()> {
        let signature = self.signature(kernel)?;
        self.check(cx, kernel, signature, args)?;
        if cx.planning() {
            cx.launched(|trail| {
                trail.text("kernel").digest(self.digest()).text(kernel).numbers(&grid.numbers()).number(args.len() as u64);
                args.iter().for_each(|arg| arg.leave(trail));
            });
            return args.iter().try_for_each(|arg| arg.check(kernel));
        }
        let Some(cuda) = cx.cuda() else {
            return Err(self.refused(kernel, &format!("it was launched in a context on {}, and runs on a GPU", cx.device())));
        };
        let _kernel = cx.kernel(kernel, || Cost::default().moves(args.iter().map(Arg::bytes).sum()));
        let values = args.iter_mut().map(|arg| arg.value(cx)).collect::<Result<Vec<Value>>>()?;
        if grid.blocks.contains(&0) {
            return Ok(()); // nothing to be computed
        }
        let function = cuda.function(self, cx.dtype(), kernel, signature)?;
        cuda.launch(&function, kernel, grid, &values)
    }

    /// Checks arguments against the parameters that the text declares.
    fn check(&self, cx: &Context, kernel: &str, signature: &Signature, args: &[Arg]) -> Result<()> {
        let parameters = signature.parameters();
        if args.len() != parameters.len() {
            let message = format!("it takes {} arguments, and was given {}", parameters.len(), args.len());
            return Err(self.refused(kernel, &message));
        }
        let (device, real) = (cx.device(), cx.dtype());
        for (i, (arg, parameter)) in args.iter().zip(parameters).enumerate() {
            if let Err(reason) = arg.fits(parameter, device, real) {
                return Err(self.refused(kernel, &format!("argument {i}, for `{parameter}`: {reason}")));
            }
        }
        Ok(())
    }

    fn refused(&self, kernel: &str, message: &str) -> Error {
        Error::value(format!("kernel `{kernel}` of `{}`", self.text().name()), message)
    }
}

impl Cuda {
    fn launch(&self, function: &CudaFunction, kernel: &str, grid: Grid, values: &[Value]) -> Result<()> {
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
