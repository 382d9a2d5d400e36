//! Profiles as tables, and the measured peaks of this machine for comparison.

pub(crate) mod peaks;
mod table;

pub use crate::context::profile::{Cost, Phase, Profile, Scope};
pub use peaks::{Peaks, Roof};
pub use table::{LayerTime, OpTime, PhaseTime};
