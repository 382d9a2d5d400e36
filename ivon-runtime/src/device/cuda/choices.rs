//! What a person may decide by variables of the environment, so that all ways to compute can be measured.

use super::dnn::Cudnn;
use crate::error::{Error, Result};
use std::ffi::OsStr;

const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];

/// What was decided; the defaults stand with those who ask.
pub(super) struct Choices {
    /// `IVON_TUNE`: whether ways to compute are measured, see [`tune`](super::tune).
    pub tuning: bool,
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
            cudnn: choice("IVON_CUDNN", &[("off", Cudnn::Off), ("windows", Cudnn::Windows), ("all", Cudnn::All)])?,
            gelu: choice("IVON_GELU_EPILOGUE", SWITCH)?,
            sums: choice("IVON_SUMS_EPILOGUE", SWITCH)?,
        })
    }
}

fn choice<T: Copy>(variable: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    std::env::var_os(variable).map_or(Ok(None), |value| meaning(variable, &value, known))
}

/// What the value says; nothing where it is empty.
fn meaning<T: Copy>(variable: &str, value: &OsStr, known: &[(&str, T)]) -> Result<Option<T>> {
    match known.iter().find(|(name, _)| value == *name) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None if value.is_empty() => Ok(None),
        None => {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            Err(Error::config(format!("the variable {variable} is {value:?}: it may be {}", names.join(" or "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_means_nothing_is_refused() {
        let of = |value: &str| meaning("IVON_TUNE", value.as_ref(), SWITCH);
        assert_eq!(of("on").unwrap(), Some(true));
        assert_eq!(of("off").unwrap(), Some(false));
        assert_eq!(of("").unwrap(), None);
        assert_eq!(of("1").unwrap_err().to_string(), "the variable IVON_TUNE is \"1\": it may be `on` or `off`");
    }
}
