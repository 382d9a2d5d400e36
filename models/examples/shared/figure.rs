//! Figures of the experiments: panels of lines on linear or logarithmic axes, written as SVG.

use super::scale;
use plotters::chart::SeriesLabelPosition;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;
use std::path::PathBuf;

/// Colours that most readers can tell apart, including colour-blind ones (Okabe and Ito 2008).
pub const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(70, 70, 70),
];

/// How numbers lie on an axis.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    Linear,
    Log,
}

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Style {
    Line,
    Dashed,
    Points,
    /// The inside of the outline that the points go around, lightly.
    Area,
}

/// A named series; `color` counts from 0 and repeats after seven.
pub struct Series {
    pub label: String,
    pub color: usize,
    pub style: Style,
    pub points: Vec<(f64, f64)>,
}

/// A name and a scale.
pub struct Axis {
    pub label: &'static str,
    pub scale: Scale,
    /// The range that the axis covers at least.
    pub limits: Option<(f64, f64)>,
}

/// One chart.
pub struct Panel {
    pub title: &'static str,
    pub x: Axis,
    pub y: Axis,
    /// The position of the legend.
    pub legend: SeriesLabelPosition,
    pub series: Vec<Series>,
}

impl Axis {
    pub fn linear(label: &'static str) -> Axis {
        Axis { label, scale: Scale::Linear, limits: None }
    }

    pub fn log(label: &'static str) -> Axis {
        Axis { label, scale: Scale::Log, limits: None }
    }

    /// The same, covering at least these values.
    pub fn covering(self, low: f64, high: f64) -> Axis {
        Axis { limits: Some((low, high)), ..self }
    }

    /// The position of a value on the axis. Log axes are linear in log10.
    fn place(&self, value: f64) -> f64 {
        if self.scale == Scale::Log { value.log10() } else { value }
    }

    /// The text at a tick: as few digits as say it.
    fn tick(&self, place: f64) -> String {
        let value = if self.scale == Scale::Log { 10f64.powf(place) } else { place };
        if value != 0.0 && !(0.001..100_000.0).contains(&value.abs()) {
            return format!("{value:.0e}");
        }
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    }

    /// The ticks. On a log axis they are powers of ten, with 2 and 5 between them if there is room; otherwise multiples
    /// of 1, 2 or 5 times a power of ten.
    fn ticks(&self, range: &Range<f64>) -> Vec<f64> {
        let span = range.end - range.start;
        let inside = |place: &f64| range.contains(place);
        if self.scale == Scale::Log {
            let every = (span / 7.0).ceil().max(1.0);
            let digits: &[f64] = if span < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let powers = (range.start.floor() as i32..=range.end.ceil() as i32).filter(|p| f64::from(*p) % every == 0.0);
            return powers.flat_map(|p| digits.iter().map(move |d| f64::from(p) + d.log10())).filter(inside).collect();
        }
        let power = 10f64.powf((span / 6.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|d| d * power).into_iter().find(|step| span / step <= 7.0).unwrap_or(span);
        let first = (range.start / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|place| *place < range.end).collect()
    }

    fn coordinates(&self, range: Range<f64>) -> Coordinates {
        Coordinates { ticks: self.ticks(&range), range }
    }

    /// The range that the axis covers, with a small margin.
    fn range(&self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let limits = self.limits.iter().flat_map(|(low, high)| [self.place(*low), self.place(*high)]);
        let (low, high) =
            values.chain(limits).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let room = 0.03 * (high - low).max(1e-9);
        low - room..high + room
    }
}

/// An axis with its own ticks.
struct Coordinates {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Coordinates {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, pixels: (i32, i32)) -> i32 {
        let share = (place - self.range.start) / (self.range.end - self.range.start);
        pixels.0 + (share * f64::from(pixels.1 - pixels.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // No light lines are drawn between the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Draws the panels side by side into `docs/experiments/{name}.svg`, or at a reduced [scale](scale::figures) `{name}.svg`, and returns the path.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(name: &str, panels: &[Panel]) -> Result<PathBuf, Box<dyn Error>> {
    let panels: Vec<&dyn Chart> = panels.iter().map(|p| p as &dyn Chart).collect();
    draw_rows(name, panels.len(), &panels)
}

/// Something that fills a rectangle of a figure.
pub trait Chart {
    /// Draws it.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<(), Box<dyn Error>>;
}

/// [`draw`] for charts of any kind, in rows of `columns`.
///
/// # Errors
/// When the file cannot be written.
pub fn draw_rows(name: &str, columns: usize, charts: &[&dyn Chart]) -> Result<PathBuf, Box<dyn Error>> {
    let folder = scale::figures();
    std::fs::create_dir_all(&folder)?;
    let path = folder.canonicalize()?.join(format!("{name}.svg"));
    {
        let rows = charts.len().div_ceil(columns);
        let root = SVGBackend::new(&path, (470 * columns as u32, 380 * rows as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        for (chart, area) in charts.iter().zip(root.split_evenly((rows, columns))) {
            chart.draw(&area)?;
        }
        root.present()?;
    }
    println!("\nfigure: {}", path.display());
    Ok(path)
}

impl Chart for Panel {
    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let place = |(x, y): &(f64, f64)| (self.x.place(*x), self.y.place(*y));
        let series: Vec<(&Series, Vec<(f64, f64)>)> = self
            .series
            .iter()
            .map(|s| (s, s.points.iter().map(place).filter(|(x, y)| x.is_finite() && y.is_finite()).collect()))
            .collect();
        let all = || series.iter().flat_map(|(_, points)| points);
        let (across, up) = (self.x.range(all().map(|p| p.0)), self.y.range(all().map(|p| p.1)));
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(self.x.coordinates(across.clone()), self.y.coordinates(up))?;
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|x| self.x.tick(*x))
            .y_label_formatter(&|y| self.y.tick(*y))
            .label_style(("sans-serif", 12))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .draw()?;
        for (series, points) in series {
            let color = COLORS[series.color % COLORS.len()];
            let line = color.stroke_width(2);
            let drawn = match series.style {
                Style::Line => chart.draw_series(LineSeries::new(thin(points, &across), line))?,
                Style::Dashed => chart.draw_series(DashedLineSeries::new(thin(points, &across), 6, 4, line))?,
                Style::Points => chart.draw_series(points.into_iter().map(|p| Circle::new(p, 3, color.filled())))?,
                Style::Area => chart.draw_series([Polygon::new(points, color.mix(0.2).filled())])?,
            };
            if series.label.is_empty() {
                continue;
            }
            let drawn = drawn.label(series.label.clone());
            match series.style {
                Style::Points => drawn.legend(move |(x, y)| Circle::new((x + 9, y), 3, color.filled()).into_dyn()),
                Style::Area => {
                    drawn.legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], color.mix(0.2).filled()).into_dyn())
                }
                // A dash and the start of the next.
                Style::Dashed => drawn.legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 7, y)], line).into_dyn()),
                _ => drawn.legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], line).into_dyn()),
            };
        }
        if self.series.iter().any(|s| !s.label.is_empty()) {
            chart
                .configure_series_labels()
                .position(self.legend.clone())
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.2))
                .label_font(("sans-serif", 12))
                .draw()?;
        }
        Ok(())
    }
}

/// Reduces a line to its visible points: the lowest and highest in each of 300 steps across. A path that goes back in x keeps all points.
fn thin(points: Vec<(f64, f64)>, across: &Range<f64>) -> Vec<(f64, f64)> {
    if points.windows(2).any(|pair| pair[1].0 < pair[0].0) {
        return points;
    }
    let bin = |p: &(f64, f64)| ((p.0 - across.start) / (across.end - across.start) * 300.0) as i64;
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| bin(a) == bin(b)) {
        let extreme = |sign: f64| group.iter().enumerate().min_by(|a, b| (sign * a.1.1).total_cmp(&(sign * b.1.1)));
        let ends = [extreme(1.0), extreme(-1.0)];
        let mut places: Vec<usize> = ends.into_iter().flatten().map(|(place, _)| place).collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|place| group[place]));
    }
    kept
}
