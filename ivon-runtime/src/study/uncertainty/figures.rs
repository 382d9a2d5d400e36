//! Pictures of predictions: reliability diagram, confidence histogram, accuracy against rejection rate, entropies in and out of distribution.
//!
//! Each takes predictions with a name, `("at the mean", &mean)`, and gives the text of an SVG file.

use super::{Bin, Predictions};
use crate::core::error::Result;
use crate::study::figure::{Axis, Chart, Colour, sheet};

/// Predictions and what they are called.
pub type Named<'a> = (&'a str, &'a Predictions);

/// Colours of lines in one chart.
const COLOURS: [Colour; 3] = [Colour::Orange, Colour::Blue, Colour::Green];

/// Accuracy of the examples in 15 bins of confidence, beside the confidence that it should be: one chart for each.
///
/// # Errors
/// As [`Predictions::scores`].
pub fn reliability(all: &[Named]) -> Result<String> {
    let chart = |(name, found): &Named| {
        let (x, y) = (Axis::new("confidence", 0.0, 1.0), Axis::new("accuracy", 0.0, 1.0));
        let mut chart = Chart::new(format!("Reliability {name}"), x, y);
        for bin in drawn(&found.calibration()?.bins).iter().filter(|b| b.examples > 0) {
            let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
            let gap = if bin.accuracy < bin.confidence { Colour::Orange } else { Colour::Green };
            chart = chart.bar((bin.from, bin.to), (0.0, low), Colour::Blue, 0.85).bar((bin.from, bin.to), (low, high), gap, 0.55);
        }
        let scores = found.scores()?;
        let notes = [format!("ECE {:.4}", scores.ece), format!("adaptive ECE {:.4}", scores.adaptive_ece)];
        chart = chart.dashed([(0.0, 0.0), (1.0, 1.0)], Colour::Grey).note(&notes, true, true);
        let chart = chart.named(Colour::Blue, "accuracy and confidence");
        Ok(chart.named(Colour::Orange, "too sure").named(Colour::Green, "not sure enough"))
    };
    Ok(sheet(&all.iter().map(chart).collect::<Result<Vec<_>>>()?))
}

/// The bins of the same width: what is entirely sure, a bin of its own without a width, is drawn with the last of them.
fn drawn(bins: &[Bin]) -> Vec<Bin> {
    let (mut wide, points): (Vec<Bin>, Vec<Bin>) = bins.iter().partition(|b| b.from < b.to);
    for (last, point) in wide.last_mut().into_iter().zip(points.iter().filter(|p| p.examples > 0)) {
        let n = last.examples + point.examples;
        let mean = |a: f64, b: f64| (a * last.examples as f64 + b * point.examples as f64) / n as f64;
        let (confidence, accuracy) = (mean(last.confidence, point.confidence), mean(last.accuracy, point.accuracy));
        *last = Bin { examples: n, confidence, accuracy, ..*last };
    }
    wide
}

/// Histograms of the confidence of right and of wrong predictions, one chart for each entry.
///
/// # Errors
/// As [`Predictions::scores`].
pub fn confidence(all: &[Named]) -> Result<String> {
    const BINS: usize = 20;
    let chart = |(name, found): &Named| {
        let scores = found.scores()?;
        let parts = |right: bool| {
            let chosen = found.confidence.iter().zip(&found.right).filter(move |(_, r)| **r == right);
            histogram(chosen.map(|(c, _)| *c), 1.0, BINS, found.len())
        };
        let (right, wrong) = (parts(true), parts(false));
        let tops: Vec<f64> = right.iter().zip(&wrong).map(|(r, w)| r + w).collect();
        let y = Axis::covering("share of examples", tops.iter().copied().chain([0.0]));
        let mut chart = Chart::new(format!("Confidence {name}"), Axis::new("confidence", 0.0, 1.0), y);
        for (i, (wrong, top)) in wrong.iter().zip(&tops).enumerate().filter(|(_, (_, top))| **top > 0.0) {
            let x = (i as f64 / BINS as f64, (i + 1) as f64 / BINS as f64);
            chart = chart.bar(x, (0.0, *wrong), Colour::Orange, 0.9).bar(x, (*wrong, *top), Colour::Blue, 0.85);
        }
        let mean = found.confidence.iter().sum::<f64>() / found.len() as f64;
        let notes = [format!("accuracy {:.3}", scores.accuracy), format!("mean confidence {mean:.3}")];
        Ok(chart.note(&notes, true, true).named(Colour::Blue, "right").named(Colour::Orange, "wrong"))
    };
    Ok(sheet(&all.iter().map(chart).collect::<Result<Vec<_>>>()?))
}

/// Accuracy on the rest when the examples of highest entropy are refused: a line for each, three at most.
///
/// # Errors
/// As [`Predictions::scores`].
pub fn rejection(all: &[Named]) -> Result<String> {
    let curves = all.iter().map(|(_, found)| found.rejection()).collect::<Result<Vec<_>>>()?;
    let y = Axis::covering("accuracy on the others", curves.iter().flat_map(|c| c.accuracy.iter().copied()));
    let mut chart = Chart::new("Accuracy against rejection rate", Axis::new("share of examples refused", 0.0, 1.0), y);
    for ((curve, (name, _)), colour) in curves.iter().zip(all).zip(COLOURS) {
        let points = curve.rates.iter().copied().zip(curve.accuracy.iter().copied());
        chart = chart.line(points, colour).named(colour, *name);
    }
    Ok(chart.svg())
}

/// Entropies of examples in distribution and of `foreign` ones, as densities: one chart for each pair.
///
/// # Errors
/// As [`Predictions::detection`].
pub fn entropies(all: &[Named], foreign: &[&Predictions]) -> Result<String> {
    const BINS: usize = 30;
    let high = all.iter().map(|(_, p)| *p).chain(foreign.iter().copied()).flat_map(|p| p.total.iter().copied());
    let high = high.fold(1e-6, f64::max);
    let chart = |((name, found), foreign): (&Named, &&Predictions)| {
        let detection = found.detection(foreign)?.entropy;
        let [inside, outside] = [found, *foreign].map(|p| histogram(p.total.iter().copied(), high, BINS, p.len()));
        let y = Axis::covering("share of examples", inside.iter().chain(&outside).copied().chain([0.0]));
        let mut chart = Chart::new(format!("Entropy {name}"), Axis::new("predictive entropy (nats)", 0.0, high), y);
        for (shares, colour) in [(inside, Colour::Blue), (outside, Colour::Orange)] {
            for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let edge = |i: usize| high * i as f64 / BINS as f64;
                chart = chart.bar((edge(i), edge(i + 1)), (0.0, *share), colour, 0.6);
            }
        }
        let notes = [format!("AUROC {:.4}", detection.auroc), format!("FPR95 {:.4}", detection.fpr95)];
        Ok(chart.note(&notes, false, true).named(Colour::Blue, "in distribution").named(Colour::Orange, "out of distribution"))
    };
    Ok(sheet(&all.iter().zip(foreign).map(chart).collect::<Result<Vec<_>>>()?))
}

/// The shares of `count` examples in bins of equal width from 0 to `high`.
fn histogram(values: impl Iterator<Item = f64>, high: f64, bins: usize, count: usize) -> Vec<f64> {
    let mut shares = vec![0.0; bins];
    for value in values {
        shares[((value / high * bins as f64) as usize).min(bins - 1)] += 1.0 / count.max(1) as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Predictions {
        Predictions {
            confidence: vec![1.0, 0.5, 0.55, 0.9],
            total: vec![0.0, 0.7, 0.65, 0.3],
            aleatoric: vec![0.0, 0.6, 0.65, 0.2],
            right: vec![true, false, true, true],
            log_likelihood: vec![0.0, -0.7, -0.6, -0.1],
            brier: vec![0.0, 0.5, 0.4, 0.02],
        }
    }

    #[test]
    fn every_picture_names_what_it_shows() {
        let found = predictions();
        let (mean, all) = (("at the mean", &found), [("at the mean", &found), ("over 64 samples", &found)]);
        assert!(reliability(&all).unwrap().contains("Reliability over 64 samples"));
        assert!(confidence(&[mean]).unwrap().contains("accuracy 0.750"));
        assert!(rejection(&all).unwrap().contains("over 64 samples"));
        assert!(entropies(&[mean], &[&found]).unwrap().contains("AUROC 0.5000"));
        for svg in [reliability(&all), confidence(&all), rejection(&all), entropies(&all, &[&found, &found])] {
            let svg = svg.unwrap();
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        }
    }

    #[test]
    fn what_is_entirely_sure_is_drawn_too() {
        let bin = |from, to, examples, confidence, accuracy| Bin { from, to, examples, confidence, accuracy };
        let bins = [bin(0.0, 0.5, 0, 0.0, 0.0), bin(0.5, 1.0, 3, 0.8, 1.0), bin(1.0, 1.0, 1, 1.0, 0.0)];
        let found = drawn(&bins);
        assert_eq!((found.len(), found[1].examples, found[1].accuracy), (2, 4, 0.75));
        assert!((found[1].confidence - 0.85).abs() < 1e-12);
    }

    #[test]
    fn shares_add_up_and_the_largest_value_is_inside() {
        assert_eq!(histogram([0.0, 0.25, 1.0, 1.0].into_iter(), 1.0, 2, 4), [0.5, 0.5]);
    }
}
