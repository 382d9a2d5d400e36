//! `loss.svg`: the losses of a run as a picture, drawn again as it goes.

use std::fmt::Write;

/// Points kept of a line; with more, neighbours are averaged, so that memory stays the same however long the run is.
const POINTS: usize = 1024;

/// A line of at most [`POINTS`] points.
#[derive(Default)]
struct Line {
    points: Vec<(f64, f64)>,
    /// How many values make a point.
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

/// Size of the picture, and the margins around the axes: left, right, top, bottom.
const SIZE: (f64, f64) = (760.0, 440.0);
const MARGINS: (f64, f64, f64, f64) = (60.0, 20.0, 34.0, 44.0);

impl Curve {
    /// Adds a training loss.
    pub fn training(&mut self, step: u64, loss: f64) {
        self.training.add(step as f64, loss);
    }

    /// Adds a validation loss.
    pub fn validation(&mut self, step: u64, loss: f64) {
        self.validation.add(step as f64, loss);
    }

    /// The picture. `steps` is how many the run has.
    pub fn svg(&self, title: &str, steps: u64) -> String {
        let (width, height) = SIZE;
        let (left, right, top, bottom) = MARGINS;
        let all = || self.training.points.iter().chain(&self.validation.points).map(|p| p.1);
        let (mut low, mut high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), y| (l.min(y), h.max(y)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let grain = nice((high - low).max(1e-9 * high.abs()).max(f64::MIN_POSITIVE) / 5.0);
        (low, high) = ((low / grain).floor() * grain, (high / grain).ceil() * grain);
        let high = if high > low { high } else { low + grain };
        let steps = steps.max(1) as f64;
        let x = |step: f64| left + (width - left - right) * step / steps;
        let y = |loss: f64| top + (height - top - bottom) * (high - loss) / (high - low);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{left}\" y=\"20\" font-size=\"14\">{}</text>\n",
            escaped(title)
        );
        // Writing to a string cannot fail.
        let mut put = |text: std::fmt::Arguments| {
            let _ = svg.write_fmt(text);
        };
        let ticks = ((high - low) / grain).round() as usize;
        for i in 0..=ticks.min(20) {
            let loss = low + i as f64 * grain;
            let at = y(loss);
            put(format_args!("<path d=\"M{left} {at:.1}H{}\" stroke=\"#ddd\"/>", width - right));
            put(format_args!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                left - 6.0,
                at + 4.0,
                decimal(loss, grain)
            ));
        }
        let stride = nice(steps / 6.0).max(1.0);
        for i in 0..=(steps / stride) as usize {
            let step = i as f64 * stride;
            put(format_args!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>\n",
                x(step),
                height - bottom + 18.0
            ));
        }
        put(format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>\n", width - right, height - 8.0));
        let path = |points: &[(f64, f64)]| {
            let place = |(i, (step, loss)): (usize, &(f64, f64))| {
                format!("{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, x(*step), y(*loss))
            };
            points.iter().enumerate().map(place).collect::<String>()
        };
        for (line, colour, name, number) in
            [(&self.training, "#1f77b4", "training", 0.0), (&self.validation, "#d62728", "validation", 1.0)]
        {
            if line.points.is_empty() {
                continue;
            }
            put(format_args!("<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n", path(&line.points)));
            if number > 0.0 {
                for (step, loss) in &line.points {
                    put(format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>", x(*step), y(*loss)));
                }
            }
            let (at, down) = (width - right - 110.0, top + 16.0 + 18.0 * number);
            let last = line.points.last().map_or(f64::NAN, |p| p.1);
            put(format_args!("<text x=\"{at}\" y=\"{down}\" fill=\"{colour}\">{name} {last:.4}</text>\n"));
        }
        svg + "</svg>\n"
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn nice(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= x * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// With as many digits as a grid of this grain needs.
fn decimal(x: f64, grain: f64) -> String {
    let digits = (-grain.log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{x:.digits$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_of_round_numbers() {
        assert_eq!([0.3, 0.5, 1.0, 7.0, 1200.0].map(nice), [0.5, 0.5, 1.0, 10.0, 2000.0]);
        assert_eq!((decimal(1.5, 0.5), decimal(20.0, 5.0), decimal(0.02, 0.01)), ("1.5".into(), "20".into(), "0.02".into()));
    }

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
