//! Choices of the user by environment variables, so that all variants of a computation can be measured.

use super::dnn::Cudnn;
use crate::core::error::Result;
use crate::device::environment::{SWITCH, choice};

/// The user's choices. The default of each is with its user in the code.
pub(crate) struct Choices {
    /// `IVON_TUNE`: true if algorithms are chosen by measurement, see [`tune`](super::tune).
    pub tuning: bool,
    /// `IVON_CHECK_GRAPHS`: true if replays are compared with eager steps.
    pub check_graphs: bool,
    /// `IVON_CUDNN`: `off`, `windows` or `all`.
    pub cudnn: Option<Cudnn>,
    /// `IVON_GELU_EPILOGUE`: true if cuBLASLt computes GELU and its slope along with products.
    pub gelu: Option<bool>,
    /// `IVON_SUMS_EPILOGUE`: true if cuBLASLt computes sums along with products.
    pub sums: Option<bool>,
}

impl Choices {
    /// # Errors
    /// If a variable has an unknown value.
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
