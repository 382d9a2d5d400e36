//! Training runs: the trainer, schedules, run directories, checkpoints, files.

#[cfg(feature = "run")]
pub mod checkpoint;
pub mod disk;
#[cfg(feature = "run")]
pub mod run;
pub(crate) mod schedule;
pub mod trainer;
