//! The outlines on generated images, in the unit disc. Each is its own mirror image, or it is rotated by any angle and mirrored in half
//! of the training images, without becoming another class.

use super::Figure;
use super::distance::{Point, disc, line, polygon};
use std::f64::consts::TAU;

/// The shapes, by label.
pub const SHAPES: [&str; 10] = ["disc", "ring", "triangle", "square", "star", "cross", "crescent", "heart", "arrow", "dumbbell"];

/// The glyphs, by label.
pub const GLYPHS: [&str; 10] = ["zigzag", "spiral", "fork", "comb", "hook", "ladder", "loop", "tent", "wave", "branch"];

/// Half the width of a pen.
const PEN: f64 = 0.11;

/// An outline: the signed distance to it.
pub type Outline = Box<dyn Fn(Point) -> f64>;

/// The outline of a class.
///
/// # Panics
/// If there is no such label.
pub fn figure(figure: Figure, label: usize) -> Outline {
    match figure {
        Figure::Shapes => shape(SHAPES[label]),
        Figure::Glyphs => glyph(GLYPHS[label]),
    }
}

fn shape(name: &str) -> Outline {
    let filled = |corners: Vec<Point>| -> Outline { Box::new(move |p| polygon(p, &corners)) };
    match name {
        "disc" => Box::new(|p| disc(p, [0.0, 0.0], 0.85)),
        "ring" => Box::new(|p| disc(p, [0.0, 0.0], 0.7).abs() - 0.2),
        "triangle" => filled(regular(3, &[1.0])),
        "square" => filled(regular(4, &[1.0])),
        "star" => filled(regular(10, &[1.0, 0.42])),
        "cross" => {
            let (near, far) = (0.26, 0.95);
            let quarter = [[near, far], [near, near], [far, near]];
            let turn = |p: Point, times: usize| (0..times).fold(p, |[x, y], _| [y, -x]);
            filled((0..4).flat_map(|times| quarter.map(|p| turn(p, times))).collect())
        }
        "crescent" => Box::new(|p| disc(p, [0.0, 0.0], 0.95).max(-disc(p, [0.45, 0.0], 0.75))),
        "heart" => filled((0..28).map(|i| heart(TAU * i as f64 / 28.0)).collect()),
        "arrow" => filled(vec![[1.0, 0.0], [0.1, 0.8], [0.1, 0.3], [-0.9, 0.3], [-0.9, -0.3], [0.1, -0.3], [0.1, -0.8]]),
        _ => Box::new(|p| {
            let ends = disc(p, [-0.6, 0.0], 0.4).min(disc(p, [0.6, 0.0], 0.4));
            ends.min(line(p, &[[-0.6, 0.0], [0.6, 0.0]]) - 0.14)
        }),
    }
}

/// Corners at equal angles; their distances from the centre repeat `radii`.
fn regular(count: usize, radii: &[f64]) -> Vec<Point> {
    let corner = |i: usize| polar(radii[i % radii.len()], TAU * i as f64 / count as f64);
    (0..count).map(corner).collect()
}

fn polar(radius: f64, angle: f64) -> Point {
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

/// The heart curve 16 sin³ t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, in the unit disc.
fn heart(t: f64) -> Point {
    let cos = |n: f64| libm::cos(n * t);
    let x = 16.0 * libm::sin(t).powi(3);
    [x / 17.0, -(13.0 * cos(1.0) - 5.0 * cos(2.0) - 2.0 * cos(3.0) - cos(4.0) + 2.5) / 17.0]
}

fn glyph(name: &str) -> Outline {
    let curve = |points: usize, at: &dyn Fn(f64) -> Point| (0..=points).map(|i| at(i as f64 / points as f64)).collect::<Vec<_>>();
    let strokes: Vec<Vec<Point>> = match name {
        "zigzag" => vec![vec![[-0.9, 0.5], [-0.45, -0.5], [0.0, 0.5], [0.45, -0.5], [0.9, 0.5]]],
        "spiral" => vec![curve(24, &|t| polar(0.15 + 0.75 * t, 1.9 * TAU * t))],
        "fork" => vec![vec![[0.0, -0.9], [0.0, 0.9]], vec![[-0.6, 0.9], [-0.6, 0.1], [0.6, 0.1], [0.6, 0.9]]],
        "comb" => {
            let tooth = |x: f64| vec![[x, 0.5], [x, -0.5]];
            vec![vec![[-0.8, 0.5], [0.8, 0.5]], tooth(-0.8), tooth(-0.27), tooth(0.27), tooth(0.8)]
        }
        "hook" => vec![{
            let mut points = vec![[0.5, 0.9], [0.5, -0.2]];
            points.extend(curve(12, &|t| [0.5 * libm::cos(TAU / 2.0 * t), -0.2 - 0.6 * libm::sin(TAU / 2.0 * t)]));
            points
        }],
        "ladder" => {
            let rung = |y: f64| vec![[-0.4, y], [0.4, y]];
            vec![vec![[-0.4, -0.9], [-0.4, 0.9]], vec![[0.4, -0.9], [0.4, 0.9]], rung(-0.5), rung(0.0), rung(0.5)]
        }
        "loop" => vec![{
            let mut points = vec![[-0.8, -0.7]];
            points.extend(curve(16, &|t| [0.5 * libm::sin(TAU * (t - 0.1)), 0.35 - 0.5 * libm::cos(TAU * (t - 0.1))]));
            points.push([0.8, -0.7]);
            points
        }],
        "tent" => vec![vec![[-0.8, -0.7], [0.0, 0.9], [0.8, -0.7]], vec![[0.0, 0.9], [0.0, -0.7]]],
        "wave" => vec![curve(20, &|t| [1.8 * t - 0.9, 0.45 * libm::sin(1.5 * TAU * t)])],
        _ => vec![
            vec![[0.0, -0.9], [0.0, 0.9]],
            vec![[0.0, -0.3], [0.6, 0.3]],
            vec![[0.0, 0.1], [-0.6, 0.7]],
            vec![[0.0, -0.6], [-0.5, -0.1]],
        ],
    };
    Box::new(move |p| strokes.iter().map(|s| line(p, s)).fold(f64::INFINITY, f64::min) - PEN)
}
