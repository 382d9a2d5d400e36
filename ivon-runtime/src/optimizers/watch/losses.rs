//! Training losses that rise.

use super::{Sign, Warning};
use serde::{Deserialize, Serialize};

/// The first losses, which later ones are compared with.
const FIRST: u32 = 20;
/// Steps of the average, and steps that a sign must last.
const LONG: u32 = 100;

/// An average of the losses, and how long it has been too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Losses {
    steps: u32,
    /// The sum and the largest of the first losses.
    sum: f64,
    highest: f64,
    average: f64,
    /// The lowest average so far.
    lowest: f64,
    /// Steps in a row with each of the signs.
    lost: u32,
    above: u32,
    rising: u32,
}

impl Losses {
    /// Takes in the loss of a step; returns the signs that have lasted long enough.
    pub fn add(&mut self, loss: f64) -> Vec<Warning> {
        self.steps = self.steps.saturating_add(1);
        if self.steps <= FIRST {
            self.highest = if self.steps == 1 { loss } else { self.highest.max(loss) };
            self.sum += loss;
            self.average = self.sum / f64::from(self.steps);
            self.lowest = self.average;
            return vec![];
        }
        let (start, highest) = (self.sum / f64::from(FIRST), self.highest);
        // Far: no run that still learns comes from here. One loss counts as at most twice as far, so that a single outlier is none.
        let far = 10.0 * highest.abs().max(1.0);
        self.average += (loss.min(highest + 2.0 * far) - self.average) / f64::from(LONG);
        self.lowest = self.lowest.min(self.average);
        let (average, lowest) = (self.average, self.lowest);
        let half = lowest + (0.5 * (start - lowest)).max(0.1 * lowest.abs().max(1.0));
        for (steps, holds) in
            [(&mut self.lost, average > highest + far), (&mut self.above, average > highest), (&mut self.rising, average > half)]
        {
            *steps = if holds { steps.saturating_add(1) } else { 0 };
        }
        let average = format_args!("the training loss is {average:.4} on average over about {LONG} steps");
        let mut found = vec![];
        if self.lost >= LONG {
            found.push(Warning::new(
                Sign::Diverged,
                format!(
                    "{average}, far above each of the first {FIRST} steps, {highest:.4} at most: the run has diverged. {ADVICE}"
                ),
            ));
        }
        if self.above >= LONG {
            found.push(Warning::new(
                Sign::LossAboveStart,
                format!("{average}, above each of the first {FIRST} steps, {highest:.4} at most. {ADVICE}"),
            ));
        }
        if self.rising >= LONG && self.above == 0 {
            found.push(Warning::new(
                Sign::LossRising,
                format!(
                    "{average}, while it was {lowest:.4} at its lowest and {start:.4} at the start: more than half of the gain is lost. {ADVICE}"
                ),
            ));
        }
        found.into_iter().map(|warning| warning.of(self.average)).collect()
    }
}

const ADVICE: &str = "Lower the learning rate; for IVON, let `Ivon::auto` derive the hyper-parameters from the length of the run, or bring beta2 to \
                      at least 1 - 2 / steps and set hessian_bound (5) and step_bound (0.5)";

#[cfg(test)]
mod tests {
    use super::*;

    /// The signs of a sequence, each with the step at which it came first.
    fn signs(losses: impl Iterator<Item = f64>) -> Vec<(Sign, usize)> {
        let (mut watch, mut found) = (Losses::default(), vec![]);
        for (step, loss) in losses.enumerate() {
            for warning in watch.add(loss) {
                if !found.iter().any(|(sign, _)| *sign == warning.sign) {
                    found.push((warning.sign, step + 1));
                }
            }
        }
        found
    }

    /// A loss that falls from 2.3 to 0.3, with noise that does not repeat.
    fn falling(step: usize) -> f64 {
        0.3 + 2.0 * (-(step as f64) / 300.0).exp() + 0.2 * (step as f64 * 1.7).sin()
    }

    #[test]
    fn a_run_that_learns_gives_no_sign() {
        assert_eq!(signs((0..5000).map(falling)), []);
        // A loss without anything to learn, and one with rare outliers.
        assert_eq!(signs((0..5000).map(|i| 0.7 + 0.1 * (i as f64 * 1.7).sin())), []);
        assert_eq!(signs((0..5000).map(|i| if i % 997 == 500 { 1e7 } else { falling(i) })), []);
        // A negative log-likelihood of a density goes below zero.
        assert_eq!(signs((0..5000).map(|i| falling(i) - 4.0)), []);
    }

    #[test]
    fn a_run_that_is_destroyed_has_diverged() {
        let losses = |i: usize| if i < 1000 { falling(i) } else { 1e7 };
        let found = signs((0..1500).map(losses));
        let diverged = found.iter().find(|(sign, _)| *sign == Sign::Diverged).unwrap().1;
        assert!((1101..1200).contains(&diverged), "{found:?}");
    }

    #[test]
    fn a_loss_above_its_start_and_one_that_rises_are_told_apart() {
        let climbs = |to: f64| move |i: usize| if i < 1000 { falling(i) } else { to + 0.2 * (i as f64 * 1.7).sin() };
        let kinds = |to: f64| signs((0..3000).map(climbs(to))).into_iter().map(|(sign, _)| sign).collect::<Vec<_>>();
        assert_eq!(kinds(0.35), []);
        assert_eq!(kinds(1.8), [Sign::LossRising]);
        assert_eq!(kinds(4.0), [Sign::LossAboveStart]);
    }
}
