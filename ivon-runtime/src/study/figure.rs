//! Charts as SVG: lines, bars and text on two linear axes, readable on light and on dark backgrounds.
//!
//! The text is a whole file: no scripts, no fonts, nothing from elsewhere. Colours stay apart for most people (Okabe and Ito 2008) and change with the
//! reader's colour scheme.

use std::fmt::Write;

/// Colours and text of both schemes: series 0 to 3, ink, faint ink, grid and paper.
const STYLE: &str = "<style>\
.p{fill:#fff}.i{fill:#24292f}.m{fill:#57606a}.g{stroke:#d8dee4}.x{stroke:#8c959f}\
.f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#009e73}.f3{fill:#57606a}\
.s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#009e73}.s3{stroke:#57606a}\
@media (prefers-color-scheme:dark){\
.p{fill:#0d1117}.i{fill:#e6edf3}.m{fill:#9198a1}.g{stroke:#2a313a}.x{stroke:#656c76}\
.f0{fill:#56b4e9}.f1{fill:#f0843c}.f2{fill:#2bc79a}.f3{fill:#9198a1}\
.s0{stroke:#56b4e9}.s1{stroke:#f0843c}.s2{stroke:#2bc79a}.s3{stroke:#9198a1}}\
</style>";

/// Margins around the plot: left, right, top, bottom. Title and legend stand in the top one.
const MARGINS: (f64, f64, f64, f64) = (64.0, 20.0, 60.0, 48.0);

/// A colour of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The colour of the chart's subject.
    Blue,
    /// The colour of the values it is compared with.
    Orange,
    /// A third one.
    Green,
    /// Guides.
    Grey,
}

/// An axis from `low` to `high`, with ticks at round numbers.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    low: f64,
    high: f64,
    /// The least distance of ticks.
    least: f64,
}

/// One chart of a sheet. What is added later lies above.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    size: (f64, f64),
    x: Axis,
    y: Axis,
    marks: Vec<Mark>,
    legend: Vec<(Colour, String)>,
}

#[derive(Clone, Debug)]
enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        colour: Colour,
        dashed: bool,
    },
    Dots {
        points: Vec<(f64, f64)>,
        colour: Colour,
    },
    Bar {
        x: (f64, f64),
        y: (f64, f64),
        colour: Colour,
        opacity: f64,
    },
    /// Lines of text in a corner of the plot: whether left, whether above.
    Note {
        text: Vec<String>,
        left: bool,
        above: bool,
    },
}

impl Axis {
    /// Exactly from `low` to `high`; of an empty or meaningless range, from 0 to 1.
    pub fn new(label: impl Into<String>, low: f64, high: f64) -> Axis {
        let (low, high) = if low < high && (high - low).is_finite() { (low, high) } else { (0.0, 1.0) };
        Axis { label: label.into(), low, high, least: 0.0 }
    }

    /// Over all of `values` that are finite, and on to the next round numbers.
    pub fn covering(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Axis {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Axis::new(label, 0.0, 1.0);
        }
        let grain = nice((high - low).max(1e-9 * high.abs()).max(f64::MIN_POSITIVE) / 5.0);
        let (low, high) = ((low / grain).floor() * grain, (high / grain).ceil() * grain);
        Axis::new(label, low, if high > low { high } else { low + grain })
    }

    /// With ticks at whole numbers alone: of what is counted.
    pub fn whole(self) -> Axis {
        Axis { least: 1.0, ..self }
    }

    /// The distance of ticks, about `count` of them.
    fn grain(&self, count: f64) -> f64 {
        nice((self.high - self.low) / count).max(self.least)
    }

    fn ticks(&self, grain: f64) -> impl Iterator<Item = f64> + use<> {
        let (first, last) = ((self.low / grain - 1e-6).ceil(), (self.high / grain + 1e-6).floor());
        (0..=(last - first).clamp(0.0, 50.0) as usize).map(move |i| (first + i as f64) * grain)
    }

    /// The position of a value, from 0 to 1. A value beyond the axis is drawn at its end.
    fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

impl Chart {
    /// A chart with nothing on it yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Chart {
        Chart { title: title.into(), size: (460.0, 360.0), x, y, marks: vec![], legend: vec![] }
    }

    /// Sets a size other than 460 by 360.
    pub fn sized(self, width: f64, height: f64) -> Chart {
        Chart { size: (width, height), ..self }
    }

    /// A line through points; breaks of it are points that are not finite.
    pub fn line(mut self, points: impl IntoIterator<Item = (f64, f64)>, colour: Colour) -> Chart {
        self.marks.push(Mark::Line { points: points.into_iter().collect(), colour, dashed: false });
        self
    }

    /// A dashed line.
    pub fn dashed(mut self, points: impl IntoIterator<Item = (f64, f64)>, colour: Colour) -> Chart {
        self.marks.push(Mark::Line { points: points.into_iter().collect(), colour, dashed: true });
        self
    }

    /// Dots.
    pub fn dots(mut self, points: impl IntoIterator<Item = (f64, f64)>, colour: Colour) -> Chart {
        self.marks.push(Mark::Dots { points: points.into_iter().collect(), colour });
        self
    }

    /// A bar over a range of x and of y.
    pub fn bar(mut self, x: (f64, f64), y: (f64, f64), colour: Colour, opacity: f64) -> Chart {
        self.marks.push(Mark::Bar { x, y, colour, opacity });
        self
    }

    /// Text in a corner of the plot.
    pub fn note(mut self, text: &[String], left: bool, above: bool) -> Chart {
        self.marks.push(Mark::Note { text: text.to_vec(), left, above });
        self
    }

    /// A name in the legend, which stands below the title.
    pub fn named(mut self, colour: Colour, name: impl Into<String>) -> Chart {
        self.legend.push((colour, name.into()));
        self
    }

    /// The chart as a file.
    pub fn svg(&self) -> String {
        sheet(std::slice::from_ref(self))
    }

    fn draw(&self, svg: &mut Drawing) {
        let (width, height) = self.size;
        let (left, right, top, bottom) = (MARGINS.0, width - MARGINS.1, MARGINS.2, height - MARGINS.3);
        let x = |v: f64| left + (right - left) * self.x.place(v);
        let y = |v: f64| bottom - (bottom - top) * self.y.place(v);
        svg.text((left, 24.0), "i", "font-size=\"15\" font-weight=\"600\"", &self.title);
        let mut at = left;
        for (colour, name) in &self.legend {
            svg.put(format_args!(
                "<rect x=\"{at:.1}\" y=\"38\" width=\"12\" height=\"10\" rx=\"2\" class=\"f{}\"/>",
                *colour as u8
            ));
            svg.text((at + 17.0, 47.0), "m", "", name);
            at += 17.0 + 6.6 * name.chars().count() as f64 + 16.0;
        }
        let (across, up) = (self.x.grain((right - left) / 70.0), self.y.grain((bottom - top) / 50.0));
        for tick in self.y.ticks(up) {
            svg.put(format_args!("<path d=\"M{left} {:.1}H{right}\" class=\"g\"/>", y(tick)));
            svg.text((left - 8.0, y(tick) + 4.0), "m", "text-anchor=\"end\"", &decimal(tick, up));
        }
        for tick in self.x.ticks(across) {
            svg.put(format_args!("<path d=\"M{:.1} {bottom}v4\" class=\"x\"/>", x(tick)));
            svg.text((x(tick), bottom + 18.0), "m", "text-anchor=\"middle\"", &decimal(tick, across));
        }
        svg.text(((left + right) / 2.0, height - 10.0), "i", "text-anchor=\"middle\"", &self.x.label);
        let middle = (top + bottom) / 2.0;
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 16 {middle})\"");
        svg.text((16.0, middle), "i", &turned, &self.y.label);
        for mark in &self.marks {
            match mark {
                Mark::Line { points, colour, dashed } => {
                    let dash = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
                    for part in points.split(|(a, b)| !(a.is_finite() && b.is_finite())).filter(|part| !part.is_empty()) {
                        let places: Vec<String> = part.iter().map(|(a, b)| format!("{:.1} {:.1}", x(*a), y(*b))).collect();
                        svg.put(format_args!(
                            "<path d=\"M{}\" fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\"{dash} class=\"s{}\"/>",
                            places.join("L"),
                            *colour as u8
                        ));
                    }
                }
                Mark::Dots { points, colour } => {
                    for (a, b) in points.iter().filter(|(a, b)| a.is_finite() && b.is_finite()) {
                        svg.put(format_args!(
                            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" class=\"f{}\"/>",
                            x(*a),
                            y(*b),
                            *colour as u8
                        ));
                    }
                }
                Mark::Bar { x: (from, to), y: (low, high), colour, opacity } => {
                    let (a, b, c, d) = (x(*from), x(*to), y(*high), y(*low));
                    svg.put(format_args!(
                        "<rect x=\"{a:.1}\" y=\"{c:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{opacity}\" class=\"f{}\"/>",
                        (b - a - 1.0).max(0.5),
                        d - c,
                        *colour as u8
                    ));
                }
                Mark::Note { text, left: leftmost, above } => {
                    let (at, anchor) = if *leftmost { (left + 12.0, "start") } else { (right - 12.0, "end") };
                    let first = if *above { top + 20.0 } else { bottom - 12.0 - 17.0 * (text.len().max(1) - 1) as f64 };
                    for (i, line) in text.iter().enumerate() {
                        let style = format!("text-anchor=\"{anchor}\" font-weight=\"600\"");
                        svg.text((at, first + 17.0 * i as f64), "i", &style, line);
                    }
                }
            }
        }
        svg.put(format_args!("<path d=\"M{left} {bottom}H{right}\" class=\"x\"/>"));
    }
}

/// Charts side by side, as a file.
pub fn sheet(charts: &[Chart]) -> String {
    let (width, height) = charts.iter().fold((0.0, 0f64), |(w, h), chart| (w + chart.size.0, h.max(chart.size.1)));
    let mut svg = Drawing(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"12\">\n{STYLE}\n<rect width=\"100%\" height=\"100%\" class=\"p\"/>\n"
    ));
    let mut left = 0.0;
    for chart in charts {
        svg.put(format_args!("<g transform=\"translate({left} 0)\">"));
        chart.draw(&mut svg);
        svg.put(format_args!("</g>"));
        left += chart.size.0;
    }
    svg.0 + "</svg>\n"
}

struct Drawing(String);

impl Drawing {
    fn put(&mut self, element: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn text(&mut self, (x, y): (f64, f64), class: &str, style: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" {style}>{text}</text>"));
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
    // No minus before a zero.
    let x = if x.abs() < grain / 2.0 { 0.0 } else { x };
    format!("{x:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_of_round_numbers() {
        assert_eq!([0.3, 0.5, 1.0, 7.0, 1200.0].map(nice), [0.5, 0.5, 1.0, 10.0, 2000.0]);
        assert_eq!((decimal(1.5, 0.5), decimal(20.0, 5.0), decimal(0.02, 0.01)), ("1.5".into(), "20".into(), "0.02".into()));
        assert_eq!(decimal(-1e-17, 0.1), "0.0");
        let axis = Axis::covering("", [0.13, 0.89, f64::NAN]);
        assert_eq!((axis.low, axis.high), (0.0, 1.0));
        assert_eq!(
            axis.ticks(axis.grain(5.0)).map(|t| decimal(t, 0.2)).collect::<Vec<_>>(),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
    }

    #[test]
    fn any_numbers_can_be_drawn() {
        for values in [&[][..], &[1.0], &[f64::NAN, f64::INFINITY], &[0.0, 0.0], &[1e-30, 2e-30], &[1e30, -1e30], &[4.0, 2.5]] {
            let points = || values.iter().enumerate().map(|(i, v)| (i as f64, *v));
            let svg = Chart::new("a < b & c", Axis::new("x", 0.0, 0.0), Axis::covering("y", values.iter().copied()))
                .line(points(), Colour::Blue)
                .dots(points(), Colour::Green)
                .named(Colour::Blue, "one")
                .svg();
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &lt; b &amp; c"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
        }
    }
}
