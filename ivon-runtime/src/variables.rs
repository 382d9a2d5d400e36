//! Variables of the environment that decide between a few values.

use crate::error::{Error, Result};
use std::ffi::OsStr;

pub(crate) const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];

/// Checks all of them, whether this machine would look at them or not: `IVON_SIMD`, and those of [`cuda`](crate::device::cuda).
///
/// # Errors
/// If one has a value that means nothing: which it may have.
pub fn check() -> Result<()> {
    crate::simd::wanted()?;
    crate::device::cuda::choices()
}

/// What the variable says; nothing where it is not set, or empty.
pub(crate) fn choice<T: Copy>(variable: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    std::env::var_os(variable).map_or(Ok(None), |value| meaning(variable, &value, known))
}

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
