//! Learning rates over the steps of a run.

use crate::core::error::{Error, Result};
use crate::core::setters::setters;
use crate::optimizers::Plan;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line to `min_lr` at the last step.
    Linear,
    /// Half a cosine wave to `min_lr` at the last step (Loshchilov and Hutter, SGDR, ICLR 2017, eq. 5).
    #[default]
    Cosine,
    /// By this factor after every so many steps, never below `min_lr`.
    Step {
        /// Steps between two falls, counted from the end of warm-up.
        every: usize,
        /// The factor of the learning rate.
        factor: f64,
    },
}

/// A schedule: linear warm-up, then a decay.
///
/// Steps are counted **from 0**. With `warmup` steps of warm-up, step `t < warmup` has `lr · (t + 1) / (warmup + 1)`, so that the first step is
/// not lost and step `warmup` is the first with the full `lr`. Linear and cosine decay go from `lr` at step `warmup` to `min_lr` at
/// step `steps`, one past the last: what nanoGPT and the published runs do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schedule {
    /// The highest learning rate.
    pub lr: f64,
    /// The lowest one after warm-up; 0 by default.
    pub min_lr: f64,
    /// Steps of warm-up.
    pub warmup: usize,
    /// Steps of the run.
    pub steps: usize,
    /// How the learning rate falls after warm-up.
    pub decay: Decay,
}

setters!(Schedule { lr: f64, min_lr: f64, warmup: usize, steps: usize, decay: Decay });

impl Plan {
    /// The learning rates for [`Ivon::auto`](crate::optimizers::Ivon::auto): up to 0.2 over the first 5 % of the run, then along a cosine to 0.
    pub fn schedule(&self) -> Schedule {
        Schedule::cosine(0.2, 0.0, self.steps / 20, self.steps)
    }
}

impl Schedule {
    /// The same learning rate for every step.
    pub fn constant(lr: f64) -> Schedule {
        Schedule { lr, min_lr: 0.0, warmup: 0, steps: 0, decay: Decay::Constant }
    }

    /// Cosine decay over `steps` steps to `min_lr` after `warmup` steps of warm-up.
    pub fn cosine(lr: f64, min_lr: f64, warmup: usize, steps: usize) -> Schedule {
        Schedule { lr, min_lr, warmup, steps, decay: Decay::Cosine }
    }

    /// Refuses a schedule that makes no sense.
    ///
    /// # Errors
    /// Which value, and what is allowed.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::config(message));
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return refuse(format!("lr is {}: it must be a positive number", self.lr));
        }
        if !(0.0..=self.lr).contains(&self.min_lr) {
            return refuse(format!("min_lr is {}: it must be at least 0 and at most lr, {}", self.min_lr, self.lr));
        }
        if u32::try_from(self.steps).is_err() {
            return refuse(format!(
                "a run of {} steps: it has at most {}, because noise is numbered by them in 32 bits",
                self.steps,
                u32::MAX
            ));
        }
        match self.decay {
            Decay::Step { every: 0, .. } => refuse("a step decay every 0 steps: it must be at least 1".into()),
            Decay::Step { factor, .. } if !(factor > 0.0 && factor <= 1.0) => {
                refuse(format!("a step decay by {factor}: it must be above 0 and at most 1"))
            }
            _ => Ok(()),
        }
    }

    /// The learning rate of step `step`, counted from 0. After the run it stays what it was last.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.lr * (step as f64 + 1.0) / (self.warmup as f64 + 1.0);
        }
        let after = step - self.warmup;
        // 0 at the end of warm-up, 1 at step `steps`.
        let progress = (after as f64 / self.steps.saturating_sub(self.warmup).max(1) as f64).min(1.0);
        let between = |share: f64| self.min_lr + share * (self.lr - self.min_lr);
        match self.decay {
            Decay::Constant => self.lr,
            Decay::Linear => between(1.0 - progress),
            Decay::Cosine => between(0.5 * (1.0 + (PI * progress).cos())),
            Decay::Step { every, factor } => (self.lr * factor.powf((after / every.max(1)) as f64)).max(self.min_lr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(decay: Decay) -> Schedule {
        Schedule { lr: 2.0, min_lr: 0.2, warmup: 4, steps: 14, decay }
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} where {expected} is expected");
    }

    fn assert_points(schedule: Schedule, points: &[(usize, f64)]) {
        points.iter().for_each(|(step, lr)| assert_near(schedule.at(*step), *lr));
    }

    #[test]
    fn warm_up_is_a_straight_line_that_starts_above_zero() {
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine, Decay::Step { every: 3, factor: 0.5 }] {
            for (step, expected) in [0.4, 0.8, 1.2, 1.6, 2.0].into_iter().enumerate() {
                assert_near(schedule(decay).at(step), expected);
            }
        }
    }

    #[test]
    fn decays_pass_through_their_known_points() {
        assert_near(schedule(Decay::Constant).at(1000), 2.0);
        let linear = schedule(Decay::Linear);
        assert_points(linear, &[(9, 1.1), (13, 0.38), (14, 0.2), (99, 0.2)]);
        let cosine = schedule(Decay::Cosine);
        assert_points(cosine, &[(9, 1.1), (14, 0.2), (99, 0.2)]);
        assert_near(cosine.at(6), 0.2 + 0.9 * (1.0 + (PI * 0.2).cos()));
        let step = schedule(Decay::Step { every: 3, factor: 0.5 });
        assert_points(step, &[(6, 2.0), (7, 1.0), (9, 1.0), (10, 0.5), (13, 0.25), (16, 0.2)]);
    }

    #[test]
    fn the_cosine_is_that_of_nanogpt() {
        // The formula of get_lr in nanoGPT (learning_rate 6e-4, min_lr 6e-5, warmup_iters 100, lr_decay_iters 2000), computed in Python.
        let schedule = Schedule::cosine(6e-4, 6e-5, 100, 2000);
        assert_points(schedule, &NANOGPT);
    }

    const NANOGPT: [(usize, f64); 9] = [
        (0, 5.94059405940594e-06),
        (50, 0.000302970297029703),
        (99, 0.000594059405940594),
        (100, 0.0006),
        (101, 0.0005999996309151549),
        (700, 0.00047767600269305526),
        (1999, 6.0000369084845045e-05),
        (2000, 6e-05),
        (2500, 6e-05),
    ];

    #[test]
    fn a_warm_up_that_is_the_whole_run_and_a_run_of_no_steps_are_fine() {
        assert_near(Schedule::cosine(1.0, 0.0, 10, 10).at(9), 10.0 / 11.0);
        assert_near(Schedule::cosine(1.0, 0.0, usize::MAX, 10).at(9), 0.0);
        assert_near(Schedule::cosine(1.0, 0.0, 0, 0).at(0), 1.0);
        assert_near(Schedule::constant(0.5).at(7), 0.5);
    }

    #[test]
    fn a_plan_warms_up_over_a_twentieth_and_ends_at_zero() {
        let schedule = Plan::epochs(500, 50, 40).schedule();
        assert_points(schedule, &[(20, 0.2), (210, 0.1), (400, 0.0)]);
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = |schedule: Schedule| schedule.check().unwrap_err().to_string();
        assert!(bad(Schedule::constant(f64::NAN)).contains("lr is NaN"));
        assert!(bad(Schedule::cosine(1.0, 2.0, 0, 10)).contains("min_lr is 2"));
        assert!(bad(Schedule { steps: 1 << 32, ..Schedule::constant(0.1) }).contains("4294967295"));
        assert!(bad(schedule(Decay::Step { every: 0, factor: 0.5 })).contains("every 0 steps"));
        assert!(bad(schedule(Decay::Step { every: 5, factor: 1.5 })).contains("by 1.5"));
        assert_eq!(schedule(Decay::Cosine).check(), Ok(()));
    }
}
