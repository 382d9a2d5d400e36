//! Environment variables that select one of a few values.

use crate::core::error::{Error, Result};
use std::ffi::OsStr;

#[cfg(any(feature = "cuda", test))]
pub(crate) const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];

/// The names of all variables that this crate and its compiler read.
pub const NAMES: &[&str] = &[
    "IVON_CHECK_GRAPHS",
    "IVON_CUDA_LIBRARIES",
    "IVON_CUDNN",
    "IVON_EXPAND_DIR",
    "IVON_GELU_EPILOGUE",
    "IVON_KERNEL_CACHE",
    "IVON_SIMD",
    "IVON_SUMS_EPILOGUE",
    "IVON_TUNE",
];

/// Checks all variables, even those that this machine would not use: `IVON_SIMD`, `RAYON_NUM_THREADS`, and those of
/// [`cuda`](mod@crate::cuda).
///
/// # Errors
/// If a variable has an invalid value: its valid ones.
pub fn check() -> Result<()> {
    crate::device::cpu::simd::wanted()?;
    std::env::var_os("RAYON_NUM_THREADS").map_or(Ok(()), |value| threads(&value))?;
    crate::device::cuda::choices()
}

/// The value of the variable; `None` if it is not set or empty.
pub(crate) fn choice<T: Copy>(variable: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    std::env::var_os(variable).map_or(Ok(None), |value| meaning(variable, &value, known))
}

/// The largest number of threads that is sensible on any machine.
pub const MOST_THREADS: usize = 1024;

/// rayon uses all threads of the machine for 0, and silently also for a value that it cannot read.
fn threads(value: &OsStr) -> Result<()> {
    let number = value.to_str().and_then(|text| text.parse::<usize>().ok());
    if value.is_empty() || number.is_some_and(|n| n <= MOST_THREADS) {
        return Ok(());
    }
    Err(Error::config(format!(
        "the variable RAYON_NUM_THREADS is {value:?}: it must be a whole number of threads up to {MOST_THREADS}, or 0 for all of this machine"
    )))
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
    fn a_number_of_threads_is_one() {
        assert!(["", "0", "1", "1024"].iter().all(|value| threads(value.as_ref()).is_ok()));
        assert!(["x", "-1", "1025", "2.5", "18446744073709551616"].iter().all(|value| threads(value.as_ref()).is_err()));
    }

    #[test]
    fn a_value_that_means_nothing_is_refused() {
        let of = |value: &str| meaning("IVON_TUNE", value.as_ref(), SWITCH);
        assert_eq!(of("on").unwrap(), Some(true));
        assert_eq!(of("off").unwrap(), Some(false));
        assert_eq!(of("").unwrap(), None);
        assert_eq!(of("1").unwrap_err().to_string(), "the variable IVON_TUNE is \"1\": it may be `on` or `off`");
    }
}
