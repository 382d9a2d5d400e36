//! The driver's error codes as messages.

use crate::core::error::Error;
use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;

/// Creates the error for a failure of the driver in the action `what`.
///
/// The code's name comes from the enumeration, not from the driver: asking an incomplete driver for a text panics.
pub(crate) fn of(what: &str, error: DriverError) -> Error {
    use CUresult::*;
    let advice = match error.0 {
        CUDA_ERROR_OUT_OF_MEMORY => "the GPU's memory is full: take smaller batches (more micro-batches) or a smaller model",
        CUDA_ERROR_ILLEGAL_ADDRESS
        | CUDA_ERROR_ILLEGAL_INSTRUCTION
        | CUDA_ERROR_MISALIGNED_ADDRESS
        | CUDA_ERROR_INVALID_ADDRESS_SPACE
        | CUDA_ERROR_INVALID_PC
        | CUDA_ERROR_HARDWARE_STACK_ERROR
        | CUDA_ERROR_LAUNCH_FAILED
        | CUDA_ERROR_ASSERT => {
            "a kernel failed, and the state on the GPU is lost: go on from the last checkpoint, and report it, for it is a defect"
        }
        CUDA_ERROR_LAUNCH_TIMEOUT => "a kernel took longer than the system lets one take where the GPU also drives a screen",
        CUDA_ERROR_ECC_UNCORRECTABLE | CUDA_ERROR_NVLINK_UNCORRECTABLE | CUDA_ERROR_CONTEXT_IS_DESTROYED | CUDA_ERROR_UNKNOWN => {
            "the GPU is lost, and with it the state on it: see `nvidia-smi`, and go on from the last checkpoint"
        }
        CUDA_ERROR_NO_BINARY_FOR_GPU | CUDA_ERROR_INVALID_IMAGE | CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "the driver does not take this code: it may be older than the CUDA libraries; update the driver"
        }
        CUDA_ERROR_DEVICE_UNAVAILABLE => "another process may have the GPU for itself: see `nvidia-smi`",
        CUDA_ERROR_NO_DEVICE => "there is no GPU that may be seen: see `nvidia-smi`, and whether CUDA_VISIBLE_DEVICES hides it",
        CUDA_ERROR_SYSTEM_NOT_READY => "gpus that NVSwitch connects need NVIDIA's fabric manager, which does not run",
        CUDA_ERROR_INVALID_DEVICE => "there is no GPU of this number: `ivon devices` lists those that there are",
        CUDA_ERROR_STUB_LIBRARY => {
            "the libcuda found is the stub of the CUDA toolkit: take its folder (stubs) out of LD_LIBRARY_PATH, or install the NVIDIA driver"
        }
        CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => "driver and kernel module differ in version: restart after the update of the driver",
        _ => "",
    };
    let join = if advice.is_empty() { "" } else { ": " };
    Error::Device { message: format!("CUDA could not {what} ({:?}){join}{advice}", error.0) }
}

/// Converts the driver's errors to ours, with the action that failed.
pub(crate) trait Context<T> {
    fn doing(self, what: &str) -> crate::core::error::Result<T>;
}

impl<T> Context<T> for Result<T, DriverError> {
    fn doing(self, what: &str) -> crate::core::error::Result<T> {
        self.map_err(|error| of(what, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_put_in_words_without_a_driver() {
        let error = of("allocate 3.0 GiB", DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)).to_string();
        for part in ["allocate 3.0 GiB", "CUDA_ERROR_OUT_OF_MEMORY", "smaller batches"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
