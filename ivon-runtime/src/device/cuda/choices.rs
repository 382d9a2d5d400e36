//! Choices of the user by environment variables, so that all ways to compute can be measured.

use super::dnn::Cudnn;
use crate::core::error::Result;
use crate::device::environment::{SWITCH, choice};

/// The choices made. Each default is with its caller.
pub(crate) struct Choices {
    /// `IVON_TUNE`: whether ways to compute are measured, see [`tune`](super::tune).
    pub tuning: bool,
    /// `IVON_CHECK_GRAPHS`: replays are compared with eager steps.
    pub check_graphs: bool,
    /// `IVON_CUDNN`: `off`, `windows` or `all`.
    pub cudnn: Option<Cudnn>,
    /// `IVON_GELU_EPILOGUE`: whether cuBLASLt is asked for GELU and its slope along with products.
    pub gelu: Option<bool>,
    /// `IVON_SUMS_EPILOGUE`: whether it is asked for sums along with them.
    pub sums: Option<bool>,
}

impl Choices {
    /// # Errors
    /// If a variable has a value that means nothing.
    pub fn of_environment() -> Result<Choices> {
        Ok(Choices {
            tuning: choice("IVON_TUNE", SWITCH)?.unwrap_or(false),
            check_graphs: choice("IVON_CHECK_GRAPHS", SWITCH)?.unwrap_or(false),
            cudnn: choice("IVON_CUDNN", &[("off", Cudnn::Off), ("windows", Cudnn::Windows), ("all", Cudnn::All)])?,
            gelu: choice("IVON_GELU_EPILOGUE", SWITCH)?,
            sums: choice("IVON_SUMS_EPILOGUE", SWITCH)?,
        })
    }
}
