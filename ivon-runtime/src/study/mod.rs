//! What a posterior is good for: uncertainty, calibration, merging.

pub mod figure;
mod merge;
pub mod uncertainty;
