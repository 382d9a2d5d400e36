//! Flags for the device and the element type.

use super::values::count;
use clap::{Args, ValueEnum};
use ivon_runtime::variables::MOST_THREADS;
use ivon_runtime::{DType, Device, Error, Result};

/// Threads, device, element type.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Device")]
pub struct DeviceFlags {
    /// Threads to compute with [default: all CPUs]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = count)]
    pub threads: Option<usize>,

    /// Device to compute on: cpu, cuda:N for GPU number N, or auto: the first GPU that can be used, else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,

    /// Type to compute in
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: DTypeName,
}

/// The element types that have a name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DTypeName {
    /// 32-bit floating point
    F32,
    /// Weights and products of matrices of 16 bits (8 of them exponent), f32 for the rest
    Bf16,
    /// 64-bit floating point: the reference implementation, for `gradients`
    F64,
}

impl DTypeName {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DTypeName::F32 => "f32",
            DTypeName::Bf16 => "bf16",
            DTypeName::F64 => "f64",
        }
    }
}

impl DeviceFlags {
    /// Starts the threads and gives the device.
    ///
    /// # Errors
    /// If there is no such device, or the threads cannot be started.
    pub fn start(&self) -> Result<Device> {
        let device = self.device()?;
        let Some(threads) = self.threads else { return Ok(device) };
        if threads > MOST_THREADS {
            return Err(Error::config(format!("--threads {threads} is more than any machine has; {MOST_THREADS} at most")));
        }
        // This thread computes too: it is one of them.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
        pool.build_global()
            .map_err(|e| Error::config(format!("the threads cannot be started: {e}; try fewer with --threads")))?;
        Ok(device)
    }

    fn device(&self) -> Result<Device> {
        if self.device == "auto" {
            // f64 is for the CPU alone.
            return Ok(if self.dtype == DTypeName::F64 { Device::Cpu } else { Device::best() });
        }
        let device: Device = self.device.parse().map_err(|_| {
            Error::config(format!("--device {} is not known; use cpu, cuda:N (a number, cuda:0) or auto", self.device))
        })?;
        device.check()?;
        Ok(device)
    }

    /// The type for training and timing.
    ///
    /// # Errors
    /// If it is not one to train in here.
    pub fn training_dtype(&self) -> Result<DType> {
        match self.dtype {
            DTypeName::F64 => {
                Err(Error::config("--dtype f64 is the reference implementation, for `ivon gradients` alone; train in f32"))
            }
            _ => self.any_dtype(),
        }
    }

    /// The type, the reference's f64 among them.
    ///
    /// # Errors
    /// If this build cannot compute in it.
    pub fn any_dtype(&self) -> Result<DType> {
        match self.dtype {
            DTypeName::F32 => Ok(DType::F32),
            DTypeName::F64 => Ok(DType::F64),
            DTypeName::Bf16 => Ok(DType::Bf16),
        }
    }
}
