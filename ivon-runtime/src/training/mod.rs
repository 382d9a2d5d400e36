//! Training runs: the trainer, schedules, run directories, checkpoints, files.

pub mod checkpoint;
pub mod disk;
pub mod run;
pub(crate) mod schedule;
pub mod trainer;
