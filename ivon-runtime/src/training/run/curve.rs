//! `loss.svg`: the losses of a run as a figure, drawn again as it goes.

use crate::study::figure::{Axis, Chart, Colour};

/// Points kept of a line; with more, neighbours are averaged, so that memory stays the same however long the run is.
const POINTS: usize = 1024;

/// A line of at most [`POINTS`] points.
#[derive(Default)]
struct Line {
    points: Vec<(f64, f64)>,
    /// The number of values in a point.
    values: usize,
    /// Sums of the values of the next point, and how many there are.
    next: (f64, f64, usize),
}

impl Line {
    fn add(&mut self, x: f64, y: f64) {
        if !y.is_finite() {
            return;
        }
        self.values = self.values.max(1);
        self.next = (self.next.0 + x, self.next.1 + y, self.next.2 + 1);
        if self.next.2 == self.values {
            let n = self.values as f64;
            self.points.push((self.next.0 / n, self.next.1 / n));
            self.next = (0.0, 0.0, 0);
        }
        if self.points.len() == POINTS {
            let middle = |pair: &[(f64, f64)]| ((pair[0].0 + pair[1].0) / 2.0, (pair[0].1 + pair[1].1) / 2.0);
            self.points = self.points.chunks_exact(2).map(middle).collect();
            self.values *= 2;
        }
    }
}

/// The losses of a run over its steps.
#[derive(Default)]
pub(super) struct Curve {
    training: Line,
    validation: Line,
}

impl Curve {
    /// Adds a training loss.
    pub fn training(&mut self, step: u64, loss: f64) {
        self.training.add(step as f64, loss);
    }

    /// Adds a validation loss.
    pub fn validation(&mut self, step: u64, loss: f64) {
        self.validation.add(step as f64, loss);
    }

    /// The image. `steps` is how many the run has.
    pub fn svg(&self, title: &str, steps: u64) -> String {
        let losses = self.training.points.iter().chain(&self.validation.points).map(|p| p.1);
        let y = Axis::covering("loss (nats)", losses);
        let mut chart = Chart::new(title, Axis::new("step", 0.0, steps.max(1) as f64).whole(), y).sized(760.0, 440.0);
        for (line, colour, name) in [(&self.training, Colour::Blue, "training"), (&self.validation, Colour::Orange, "validation")]
        {
            let Some(last) = line.points.last() else { continue };
            chart = chart.line(line.points.iter().copied(), colour).named(colour, format!("{name} {:.4}", last.1));
        }
        chart.dots(self.validation.points.iter().copied(), Colour::Orange).svg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_shape_in_bounded_memory() {
        let mut line = Line::default();
        (0..1_000_000).for_each(|i| line.add(i as f64, 2.0 * i as f64));
        assert!(line.points.len() < POINTS && line.points.len() >= POINTS / 2 - 1);
        assert!(line.points.iter().all(|(x, y)| (y - 2.0 * x).abs() < 1e-3));
        assert!(line.points.windows(2).all(|p| p[0].0 < p[1].0));
    }

    #[test]
    fn every_picture_can_be_drawn() {
        for losses in
            [&[][..], &[1.0], &[f64::NAN, f64::INFINITY], &[0.0, 0.0], &[1e-30, 2e-30], &[1e30, -1e30], &[4.0, 2.5, 1.25]]
        {
            let mut curve = Curve::default();
            losses.iter().enumerate().for_each(|(i, loss)| curve.training(i as u64, *loss));
            curve.validation(1, 1.5);
            let svg = curve.svg("a < b & c", 0);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &lt; b &amp; c"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{losses:?}: {svg}");
        }
    }
}
