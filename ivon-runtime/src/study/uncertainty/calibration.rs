//! Calibration: whether predictions that are p sure are right in p of all cases.

use serde::Serialize;

/// Bins of confidence.
pub(super) const BINS: usize = 15;

/// The examples whose confidence lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// The lower end of the range.
    pub from: f64,
    /// The upper end of the range.
    pub to: f64,
    /// The number of examples.
    pub examples: usize,
    /// Their mean confidence; 0 without examples.
    pub confidence: f64,
    /// The share of them that is right; 0 without examples.
    pub accuracy: f64,
}

/// Confidence and accuracy by bins of confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// In rising order; some may be empty.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Σ_b (n_b / n) · |accuracy_b − confidence_b|.
    pub fn error(&self) -> f64 {
        let n: usize = self.bins.iter().map(|bin| bin.examples).sum();
        self.bins.iter().map(|b| b.examples as f64 / n.max(1) as f64 * (b.accuracy - b.confidence).abs()).sum()
    }

    /// Sums (examples, Σ confidence, right) over the bins; `edges` are one more.
    fn of(edges: &[f64], confidence: &[f64], right: &[bool], bin: impl Fn(f64) -> usize) -> Calibration {
        let mut sums = vec![(0usize, 0.0, 0usize); edges.len() - 1];
        for (confidence, right) in confidence.iter().zip(right) {
            let sum = &mut sums[bin(*confidence)];
            *sum = (sum.0 + 1, sum.1 + confidence, sum.2 + usize::from(*right));
        }
        let bin = |((examples, confidence, right), edges): ((usize, f64, usize), &[f64])| {
            let n = examples.max(1) as f64;
            Bin { from: edges[0], to: edges[1], examples, confidence: confidence / n, accuracy: right as f64 / n }
        };
        Calibration { bins: sums.into_iter().zip(edges.windows(2)).map(bin).collect() }
    }
}

/// Bins [i/15, (i+1)/15). A confidence of exactly 1 has a bin of its own, the sixteenth. Both as in torchmetrics, which compares in f32 with the
/// edges of `torch.linspace`: a confidence on an edge falls to the same side.
pub(super) fn equal_width(confidence: &[f64], right: &[bool]) -> Calibration {
    let step = f64::from(1.0 / BINS as f32);
    // Counted from the nearer end, rounded once.
    let edge = |i: usize| if i < BINS.div_ceil(2) { i as f64 * step } else { 1.0 - (BINS - i) as f64 * step };
    let mut edges: Vec<f64> = (0..=BINS).map(|i| f64::from(edge(i) as f32)).collect();
    edges.push(1.0);
    Calibration::of(&edges, confidence, right, |c| edges[1..=BINS].partition_point(|edge| *edge <= f64::from(c as f32)))
}

/// Bins between the quantiles i/15 of the confidences, each with its upper edge, as in scikit-learn's
/// `calibration_curve(strategy="quantile")`: examples of equal confidence are never parted.
pub(super) fn equal_mass(confidence: &[f64], right: &[bool]) -> Calibration {
    let mut sorted = confidence.to_vec();
    sorted.sort_by(f64::total_cmp);
    let edges: Vec<f64> = (0..=BINS).map(|i| quantile(&sorted, i)).collect();
    Calibration::of(&edges, confidence, right, |c| edges[1..BINS].partition_point(|edge| *edge < c))
}

/// The quantile i/15 between its neighbours, in the order of operations of NumPy's `percentile`: edges are values of examples often, and one
/// rounding more puts them on the other side.
fn quantile(sorted: &[f64], i: usize) -> f64 {
    let last = sorted.len() - 1;
    // NumPy's linspace ends at 1 exactly.
    let q = if i == BINS { 1.0 } else { i as f64 * (1.0 / BINS as f64) };
    let place = last as f64 * (q * 100.0 / 100.0);
    let below = (place.floor() as usize).min(last);
    let (a, b, t) = (sorted[below], sorted[(below + 1).min(last)], place - below as f64);
    if t >= 0.5 { b - (b - a) * (1.0 - t) } else { a + (b - a) * t }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_equal_width_begin_with_their_lower_edge() {
        let found = equal_width(&[0.0, 0.21, 1.0 / 3.0, 0.999, 1.0], &[false, true, true, false, true]);
        let counts: Vec<usize> = found.bins.iter().map(|b| b.examples).collect();
        assert_eq!(counts, [1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((found.bins[3].confidence, found.bins[3].accuracy), (0.21, 1.0));
        // (|0 − 0| + |1 − 0.21| + |1 − 1/3| + |0 − 0.999| + |1 − 1|) / 5
        assert!((found.error() - (0.79 + 2.0 / 3.0 + 0.999) / 5.0).abs() < 1e-12);
    }

    #[test]
    fn bins_of_equal_mass_hold_as_many_examples_each_and_keep_equal_ones_together() {
        let confidence: Vec<f64> = (0..150).map(|i| 0.4 + f64::from(i) / 300.0).collect();
        let found = equal_mass(&confidence, &[true; 150]);
        assert_eq!(found.bins.iter().map(|b| b.examples).collect::<Vec<_>>(), [10; BINS]);
        let found = equal_mass(&[0.7; 40], &[true; 40]);
        assert_eq!(found.bins.iter().filter(|b| b.examples > 0).count(), 1);
        assert!((found.error() - 0.3).abs() < 1e-12);
        assert_eq!(equal_mass(&[0.25], &[false]).error(), 0.25);
    }
}
