//! How the learning rate moves.

use super::values::{non_negative, whole};
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

/// How the learning rate moves over the steps of a run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Schedule")]
pub struct ScheduleFlags {
    /// How the learning rate falls after warm-up
    #[arg(long, value_enum, default_value = "cosine")]
    pub schedule: ScheduleName,

    /// Updates over which the learning rate rises from 0 [default: on text 100, or a tenth of the steps where that is less; on images a twentieth
    /// of the steps]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    pub warmup: Option<usize>,

    /// Learning rate at the end [default: on text a tenth of --lr, on images 0]
    #[arg(long, value_name = "RATE", value_parser = non_negative)]
    pub min_lr: Option<f64>,
}

/// The factor of the learning rate at each fall of [`ScheduleName::Step`].
const FALL: f64 = 0.1;
/// The number of equal parts that schedule has.
const PARTS: usize = 3;

/// Values that hold where no flag sets them.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Updates over which the learning rate rises.
    pub warmup: usize,
    /// Learning rate at the end.
    pub min_lr: f64,
}

impl ScheduleFlags {
    /// The schedule of so many steps with this learning rate after warm-up.
    ///
    /// # Errors
    /// If the smallest learning rate is above the largest.
    pub fn build(&self, lr: f64, steps: usize, defaults: Shape) -> Result<Schedule> {
        let warmup = self.warmup.unwrap_or(defaults.warmup);
        let decay = match self.schedule {
            ScheduleName::Cosine => Decay::Cosine,
            ScheduleName::Linear => Decay::Linear,
            ScheduleName::Constant => Decay::Constant,
            ScheduleName::Step => Decay::Step { every: (steps.saturating_sub(warmup) / PARTS).max(1), factor: FALL },
        };
        let min_lr = self.min_lr.unwrap_or(defaults.min_lr);
        let schedule = Schedule::cosine(lr, min_lr, warmup, steps).decay(decay);
        schedule.check()?;
        Ok(schedule)
    }

    /// Flags that are given and have no effect on a run: why. `named` is true for a flag on the command line.
    pub fn without_effect(&self, schedule: &Schedule, named: impl Fn(&str) -> bool) -> Vec<String> {
        let Schedule { lr, warmup, steps, .. } = *schedule;
        let mut why = vec![];
        if warmup >= steps && steps > 0 && named("warmup") {
            let reached = schedule.at(steps - 1);
            why.push(format!(
                "--warmup {warmup} is not shorter than the run of {steps} update{}: the learning rate ends at {reached:.3e} and never reaches \
                 --lr {lr}; --schedule and --min-lr have no effect",
                if steps == 1 { "" } else { "s" }
            ));
        } else if self.schedule == ScheduleName::Constant && named("min-lr") {
            why.push("--min-lr has no effect on --schedule constant".into());
        }
        why
    }
}
