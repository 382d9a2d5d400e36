//! Selective prediction: accuracy on what is left when the most uncertain examples are refused.

use serde::Serialize;

/// Accuracy against rejection rate (El-Yaniv and Wiener 2010).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejection {
    /// Share of examples refused: 0, 0.01, ... 0.99.
    pub rates: Vec<f64>,
    /// Share of right answers among the rest.
    pub accuracy: Vec<f64>,
}

/// Rates are multiples of a hundredth.
const POINTS: usize = 100;

impl Rejection {
    /// Refuses the floor(rate · n) examples of the highest uncertainty. Of equally uncertain examples, none is first: each counts as their mean.
    pub(super) fn of(uncertainty: &[f64], right: &[bool]) -> Rejection {
        let mut order: Vec<usize> = (0..right.len()).collect();
        order.sort_by(|a, b| uncertainty[*a].total_cmp(&uncertainty[*b]));
        // Right answers among the k most certain examples.
        let (mut sums, mut sum) = (vec![0.0], 0.0);
        for group in order.chunk_by(|a, b| uncertainty[*a] == uncertainty[*b]) {
            let found = group.iter().filter(|i| right[**i]).count() as f64;
            sums.extend((1..=group.len()).map(|k| sum + found * k as f64 / group.len() as f64));
            sum += found;
        }
        let kept = |i: usize| right.len() - right.len() * i / POINTS;
        let accuracy = (0..POINTS).map(|i| sums[kept(i)] / kept(i) as f64).collect();
        Rejection { rates: (0..POINTS).map(|i| i as f64 / POINTS as f64).collect(), accuracy }
    }

    /// Accuracy at a rate, which is rounded to a hundredth.
    pub fn at(&self, rate: f64) -> f64 {
        let i = (rate.max(0.0) * POINTS as f64).round() as usize;
        self.accuracy[i.min(self.accuracy.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusing_what_is_wrong_leaves_what_is_right() {
        let found = Rejection::of(&[0.1, 0.9, 0.2, 0.8], &[true, false, true, false]);
        assert_eq!([0.0, 0.25, 0.5, 0.75].map(|rate| found.at(rate)), [0.5, 2.0 / 3.0, 1.0, 1.0]);
        assert_eq!(found.at(0.99), 1.0);
    }

    #[test]
    fn the_order_of_equally_uncertain_examples_does_not_matter() {
        let a = Rejection::of(&[0.5; 4], &[true, false, false, false]);
        let b = Rejection::of(&[0.5; 4], &[false, false, false, true]);
        assert_eq!(a, b);
        assert!(a.accuracy.iter().all(|accuracy| *accuracy == 0.25));
    }
}
