//! How the learning rate moves.

use super::values::{count, non_negative};
use clap::{Args, ValueEnum};
use ivon_runtime::{Decay, Result, Schedule};

/// The shapes of a schedule after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleName {
    /// Half a cosine down to --min-lr
    Cosine,
    /// A straight line down to --min-lr
    Linear,
    /// No change
    Constant,
    /// To a tenth after each third of the steps, never below --min-lr
    Step,
}

/// Steps and learning rates.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Schedule")]
pub struct ScheduleFlags {
    /// Updates
    #[arg(long, value_name = "N", default_value = "2000", value_parser = count)]
    pub steps: usize,

    /// How the learning rate falls after warm-up
    #[arg(long, value_enum, default_value = "cosine")]
    pub schedule: ScheduleName,

    /// Updates over which the learning rate rises from 0 [default: 100, or a tenth of the steps where that is less]
    #[arg(long, value_name = "N")]
    pub warmup: Option<usize>,

    /// Learning rate at the end [default: a tenth of --lr]
    #[arg(long, value_name = "RATE", value_parser = non_negative)]
    pub min_lr: Option<f64>,
}

/// What the learning rate is multiplied with at each fall of [`ScheduleName::Step`].
const FALL: f64 = 0.1;
/// How many equal parts that schedule has.
const PARTS: usize = 3;

impl ScheduleFlags {
    /// The schedule with this learning rate after warm-up.
    ///
    /// # Errors
    /// If the smallest learning rate is above the largest.
    pub fn build(&self, lr: f64) -> Result<Schedule> {
        let warmup = self.warmup.unwrap_or((self.steps / 10).min(100));
        let decay = match self.schedule {
            ScheduleName::Cosine => Decay::Cosine,
            ScheduleName::Linear => Decay::Linear,
            ScheduleName::Constant => Decay::Constant,
            ScheduleName::Step => Decay::Step { every: (self.steps.saturating_sub(warmup) / PARTS).max(1), factor: FALL },
        };
        let schedule = Schedule { lr, min_lr: self.min_lr.unwrap_or(lr / 10.0), warmup, steps: self.steps, decay };
        schedule.check()?;
        Ok(schedule)
    }
}
