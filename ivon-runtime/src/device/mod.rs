//! The devices on which a model computes: the CPU, or an NVIDIA GPU.

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "no_cuda/mod.rs"]
pub mod cuda;
pub mod environment;

use crate::core::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The device on which a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The CPU, on all threads of the global rayon pool.
    #[default]
    Cpu,
    /// The NVIDIA GPU with this index, counted from 0.
    Cuda(usize),
}

impl Device {
    /// The first GPU that can be used, otherwise the CPU.
    pub fn best() -> Device {
        cuda::first().map_or(Device::Cpu, Device::Cuda)
    }

    /// Checks that the device can be used.
    ///
    /// # Errors
    /// If it cannot: the missing part, where it was searched, and how to get it.
    pub fn check(self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Cuda(ordinal) => cuda::libraries::require(ordinal),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// `cpu`, `cuda` (the same as `cuda:0`), `cuda:1`, ...
impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Device> {
        let ordinal = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match name {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            _ => ordinal.map(Device::Cuda).ok_or_else(|| {
                Error::config(format!("the device `{name}` is not known; use cpu, or cuda:N with the number of a GPU (cuda:0)"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_goes_by_its_name() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(13)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] {
            assert!(wrong.parse::<Device>().unwrap_err().to_string().contains("cuda:N"), "{wrong}");
        }
    }
}
