//! Uses of a posterior: uncertainty, calibration, merging.

pub mod figure;
mod merge;
pub mod uncertainty;
