//! The flags of the command, in groups that several subcommands share.

mod batch;
mod device;
mod model;
mod models;
mod optimizer;
mod pictures;
mod run;
mod schedule;
mod trained;
pub mod values;

/// Refuses flags that say nothing of this kind of model; each comes with true if it was given.
///
/// # Errors
/// If one was.
pub fn refuse(kind: &str, flags: &[(&str, bool)]) -> ivon_runtime::Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(ivon_runtime::Error::config(format!("{flag} says nothing of {kind}: leave it out"))),
        None => Ok(()),
    }
}

pub use batch::{BatchFlags, DataFlags, rows};
pub use device::DeviceFlags;
pub use model::{DropoutFlags, SizeFlags, TokenizerFlags};
pub use models::{Chosen, Models, NAMES};
pub use optimizer::{Defaults, OptimizerFlags, OptimizerName, Setup, Trained};
pub use pictures::{PictureData, PictureFlags, PixelBound};
pub use run::RunFlags;
pub use schedule::{ScheduleFlags, Shape};
pub use trained::{DATA, Opened, each_once, open, outside_of_runs};
