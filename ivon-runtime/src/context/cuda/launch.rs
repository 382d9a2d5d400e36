//! Launches of kernels with tensors, and the checks of their arguments.

use super::Arg;
use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::device::cuda::Value;
use crate::device::cuda::signature::Signature;
use crate::device::cuda::{Grid, Source};

impl Source {
    /// Launches a kernel, compiled for the type in which the context computes. Launches nothing in a dry run.
    ///
    /// The arguments are those of the kernel, in its order. Tensors become pointers, `None` a null pointer, `usize` a 64-bit
    /// number. The kernel writes the tensors that are passed as `&mut`. A tensor in the CPU's memory is copied to the GPU first,
    /// if it is not there yet.
    ///
    /// # Errors
    /// If the arguments differ from the declaration in the text: their number, the kind of each, the element type of a tensor,
    /// `const` for tensors that are read and no `const` for tensors that are written. If a tensor to be written is shared or not
    /// on the context's GPU. If the kernels cannot be compiled or launched. If the context computes on the CPU.
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
            return Ok(()); // nothing to compute
        }
        let function = cuda.function(self, cx.dtype(), kernel, signature)?;
        cuda.launch(&function, kernel, grid, &values)
    }

    /// Checks the arguments against the parameters that the text declares.
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
}
