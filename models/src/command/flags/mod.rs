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

pub use batch::{BatchFlags, DataFlags, rows};
pub use device::DeviceFlags;
pub use model::{DropoutFlags, SizeFlags, TokenizerFlags};
pub use models::{Chosen, Models, NAMES};
pub use optimizer::{Defaults, OptimizerFlags, OptimizerName, Setup, Trained};
pub use pictures::{PictureData, PictureFlags, PixelBound};
pub use run::RunFlags;
pub use schedule::{ScheduleFlags, Shape};
pub use trained::{Opened, each_once, open};
