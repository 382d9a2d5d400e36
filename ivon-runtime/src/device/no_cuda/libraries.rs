//! The libraries of CUDA: not searched without the feature `cuda`.

use crate::core::error::{Error, Result};

/// The error of everything that needs CUDA. `asked` is the beginning of a sentence.
pub(super) fn absent(asked: &str) -> Error {
    let message = format!("{asked} asked for, but `ivon-runtime` was built without its feature `cuda`: enable it in Cargo.toml");
    Error::Device { message }
}

pub(crate) fn require(ordinal: usize) -> Result<()> {
    Err(absent(&format!("cuda:{ordinal} was")))
}
