//! The flags of the command, in groups that several subcommands share.

mod batch;
mod device;
mod model;
mod optimizer;
mod run;
mod schedule;
mod trained;
pub mod values;

pub use batch::{BatchFlags, DataFlags};
pub use device::DeviceFlags;
pub use model::{DropoutFlags, ModelFlags, ModelName, SizeFlags, TokenizerFlags};
pub use optimizer::{OptimizerFlags, OptimizerName, Setup, Trained};
pub use run::RunFlags;
pub use schedule::ScheduleFlags;
pub use trained::TrainedFlags;
