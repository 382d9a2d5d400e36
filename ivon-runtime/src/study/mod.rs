//! Uses of a posterior: uncertainty, calibration, merging.

#[cfg(feature = "run")]
pub mod figure;
mod merge;
pub mod uncertainty;
