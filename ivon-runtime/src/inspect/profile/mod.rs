//! Profiles as tables, and the peaks of this machine that they are held against.

pub(crate) mod peaks;
mod table;

pub use crate::context::profile::{Cost, Phase, Profile, Scope};
pub use peaks::{Peaks, Roof};
pub use table::{LayerTime, OpTime, PhaseTime};
