//! Charts of cells: numbers on a grid as colours.

use super::figure::Chart;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// Which colours stand for low and high.
#[derive(Clone, Copy, PartialEq)]
pub enum Palette {
    /// Light for low, dark for high.
    Sequential,
    /// Orange for low, white in the middle, blue for high.
    Diverging,
}

/// Places on an axis that have a text; cell `i` goes from i to i + 1.
pub struct Ticks {
    pub label: String,
    pub at: Vec<(f64, String)>,
}

impl Ticks {
    /// A text in the middle of every cell.
    pub fn cells<T: ToString>(label: &str, cells: &[T]) -> Ticks {
        Ticks { label: label.into(), at: cells.iter().enumerate().map(|(i, c)| (i as f64 + 0.5, c.to_string())).collect() }
    }

    /// The numbers `marks` on an axis whose `cells` cells cover low to high.
    pub fn range(label: &str, (low, high): (f64, f64), cells: usize, marks: &[f64]) -> Ticks {
        let place = |m: &f64| (m - low) / (high - low) * cells as f64;
        Ticks { label: label.into(), at: marks.iter().map(|m| (place(m), m.to_string())).collect() }
    }
}

/// A chart of cells.
pub struct HeatMap {
    pub title: String,
    pub x: Ticks,
    pub y: Ticks,
    /// Rows from the bottom to the top; what is not a number is left white with a cross.
    pub values: Vec<Vec<f64>>,
    /// The values at the two ends of the palette.
    pub range: (f64, f64),
    pub palette: Palette,
    /// Decimals of the number that is written into each cell, if one is.
    pub decimals: Option<usize>,
    /// Points on top: place in cells and colour.
    pub points: Vec<((f64, f64), RGBColor)>,
}

/// Between colours that stand at even distances.
fn mix(stops: &[(u8, u8, u8)], share: f64) -> RGBColor {
    let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let (i, rest) = ((place as usize).min(stops.len() - 2), place);
    let rest = rest - i as f64;
    let between = |a: u8, b: u8| (f64::from(a) + rest * (f64::from(b) - f64::from(a))).round() as u8;
    let (a, b) = (stops[i], stops[i + 1]);
    RGBColor(between(a.0, b.0), between(a.1, b.1), between(a.2, b.2))
}

impl HeatMap {
    /// The position of a value between the ends, rounded to a thirtieth, so that equal neighbours merge into one rectangle.
    fn share(&self, value: f64) -> Option<f64> {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        value.is_finite().then(|| (share.clamp(0.0, 1.0) * 30.0).round() / 30.0)
    }

    fn color(&self, share: f64) -> RGBColor {
        match self.palette {
            Palette::Sequential => mix(&[(255, 250, 230), (253, 205, 130), (225, 110, 80), (130, 40, 90), (45, 15, 65)], share),
            Palette::Diverging => mix(&[(213, 94, 0), (243, 185, 130), (255, 255, 255), (130, 190, 225), (0, 114, 178)], share),
        }
    }
}

impl Chart for HeatMap {
    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let (columns, rows) = (self.values.first().map_or(0, Vec::len), self.values.len());
        let area = area.margin(10, 0, 0, 0).titled(&self.title, ("sans-serif", 16))?.margin(6, 46, 66, 14);
        let (width, height) = area.dim_in_pixel();
        let x = |place: f64| (place / columns as f64 * f64::from(width)).round() as i32;
        let y = |place: f64| (f64::from(height) - place / rows as f64 * f64::from(height)).round() as i32;
        for (r, row) in self.values.iter().enumerate() {
            let shares: Vec<Option<f64>> = row.iter().map(|v| self.share(*v)).collect();
            let mut from = 0;
            for group in shares.chunk_by(|a, b| a == b) {
                let corners = [(x(from as f64), y(r as f64 + 1.0)), (x((from + group.len()) as f64), y(r as f64))];
                if let Some(share) = group[0] {
                    area.draw(&Rectangle::new(corners, self.color(share).filled()))?;
                }
                from += group.len();
            }
        }
        let centered =
            |size: u32| ("sans-serif", size).into_font().into_text_style(&area).pos(Pos::new(HPos::Center, VPos::Center));
        if let Some(decimals) = self.decimals {
            for (r, row) in self.values.iter().enumerate() {
                for (c, value) in row.iter().enumerate() {
                    let dark = self.palette == Palette::Sequential && self.share(*value).is_some_and(|s| s > 0.5);
                    let style = centered(11).color(if dark { &WHITE } else { &BLACK });
                    let text = if value.is_finite() { format!("{value:.decimals$}") } else { "×".into() };
                    area.draw_text(&text, &style, (x(c as f64 + 0.5), y(r as f64 + 0.5)))?;
                }
            }
        }
        for ((px, py), color) in &self.points {
            area.draw(&Circle::new((x(*px), y(*py)), 3, color.filled()))?;
            area.draw(&Circle::new((x(*px), y(*py)), 3, BLACK.mix(0.5)))?;
        }
        area.draw(&Rectangle::new([(0, 0), (width as i32, height as i32)], BLACK.mix(0.4)))?;
        for (place, text) in &self.x.at {
            area.draw_text(text, &centered(12), (x(*place), height as i32 + 12))?;
        }
        area.draw_text(&self.x.label, &centered(12), (width as i32 / 2, height as i32 + 30))?;
        let right = ("sans-serif", 12).into_font().into_text_style(&area).pos(Pos::new(HPos::Right, VPos::Center));
        for (place, text) in &self.y.at {
            area.draw_text(text, &right, (-6, y(*place)))?;
        }
        let turned = ("sans-serif", 12).into_font().transform(FontTransform::Rotate270).into_text_style(&area);
        area.draw_text(&self.y.label, &turned.pos(Pos::new(HPos::Center, VPos::Center)), (-52, height as i32 / 2))?;
        Ok(())
    }
}
