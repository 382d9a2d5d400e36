//! One generated image: a figure somewhere, on a background, with marks and noise.

use super::distance::{Point, disc, segment};
use super::figures::Outline;
use crate::data::images::random::Draws;
use std::f64::consts::TAU;

type Colour = [f64; 3];

/// How far the colour of a figure is from that of its background at least (Euclidean, of √3).
const CONTRAST: f64 = 0.35;

/// Draws `outline` into an image of `size` x `size`, RGB.
pub fn draw(outline: &Outline, size: usize, mut draws: Draws) -> Vec<u8> {
    let mut noise = vec![0f32; size * size * 3];
    draws.normals(&mut noise);
    let noise_level = draws.uniform(0.02, 0.09);
    let background = Background::new(&mut draws);
    let placed = Placed::new(&mut draws);
    let colour = contrasting(background.at(placed.centre), &mut draws);
    let shade = draws.uniform(-0.25, 0.25);
    let marks: Vec<Mark> = (0..draws.below(4)).map(|_| Mark::new(&mut draws)).collect();

    let pixel = 2.0 / size as f64; // the image is [-1, 1]²
    let mut pixels = Vec::with_capacity(noise.len());
    for (i, noise) in noise.chunks_exact(3).enumerate() {
        let place = |i: usize| (i as f64 + 0.5) * pixel - 1.0;
        let p = [place(i % size), place(i / size)];
        let mut value = background.at(p);
        for mark in &marks {
            value = mix(value, mark.colour, cover(mark.distance(p), pixel));
        }
        let local = placed.local(p);
        // Far from it there is nothing to draw; outlines lie in a disc of radius 1.2.
        if disc(local, [0.0, 0.0], 1.2) < 0.5 {
            let cover = cover(outline(local) * placed.size, pixel);
            value = mix(value, colour.map(|c| c + shade * local[1]), cover);
        }
        for (value, noise) in value.iter().zip(noise) {
            let value = value + noise_level * f64::from(*noise);
            pixels.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
    pixels
}

/// The share of a pixel that lies inside an outline.
fn cover(distance: f64, pixel: f64) -> f64 {
    (0.5 - distance / pixel).clamp(0.0, 1.0)
}

fn mix(below: Colour, above: Colour, cover: f64) -> Colour {
    std::array::from_fn(|c| below[c] + (above[c] - below[c]) * cover)
}

fn colour(draws: &mut Draws) -> Colour {
    std::array::from_fn(|_| draws.uniform(0.0, 1.0))
}

fn contrasting(background: Colour, draws: &mut Draws) -> Colour {
    loop {
        let colour = colour(draws);
        let squares: f64 = colour.iter().zip(background).map(|(a, b)| (a - b).powi(2)).sum();
        if squares > CONTRAST * CONTRAST {
            return colour;
        }
    }
}

/// The position, size and rotation of a figure.
struct Placed {
    centre: Point,
    size: f64,
    turn: Point,
}

impl Placed {
    fn new(draws: &mut Draws) -> Placed {
        let size = draws.uniform(0.38, 0.72);
        let room = 0.95 - size;
        let centre = [draws.uniform(-room, room), draws.uniform(-room, room)];
        let angle = draws.uniform(0.0, TAU);
        Placed { centre, size, turn: [libm::cos(angle), libm::sin(angle)] }
    }

    /// A place of the image in the figure's own frame.
    fn local(&self, p: Point) -> Point {
        let [x, y] = [(p[0] - self.centre[0]) / self.size, (p[1] - self.centre[1]) / self.size];
        let [cos, sin] = self.turn;
        [x * cos + y * sin, y * cos - x * sin]
    }
}

/// A gradient between two colours, with stripes and two soft blots.
struct Background {
    colours: [Colour; 2],
    direction: Point,
    stripes: Point,
    phase: f64,
    strength: f64,
    blots: [(Point, f64, Colour); 2],
}

impl Background {
    fn new(draws: &mut Draws) -> Background {
        let direction = |length: f64, draws: &mut Draws| {
            let angle = draws.uniform(0.0, TAU);
            [length * libm::cos(angle), length * libm::sin(angle)]
        };
        let base = colour(draws);
        let other = base.map(|c| (c + draws.uniform(-0.3, 0.3)).clamp(0.0, 1.0));
        let gradient = direction(0.5, draws);
        let frequency = draws.uniform(4.0, 14.0);
        let stripes = direction(frequency, draws);
        let (phase, strength) = (draws.uniform(0.0, TAU), draws.uniform(0.0, 0.12));
        let blots = std::array::from_fn(|_| {
            let centre = [draws.uniform(-1.0, 1.0), draws.uniform(-1.0, 1.0)];
            let tint = std::array::from_fn(|_| draws.uniform(-0.25, 0.25));
            (centre, draws.uniform(0.2, 0.7), tint)
        });
        Background { colours: [base, other], direction: gradient, stripes, phase, strength, blots }
    }

    fn at(&self, p: Point) -> Colour {
        let along = |d: Point| p[0] * d[0] + p[1] * d[1];
        let mut value = mix(self.colours[0], self.colours[1], (along(self.direction) + 0.5).clamp(0.0, 1.0));
        let stripe = self.strength * libm::sin(along(self.stripes) + self.phase);
        value = value.map(|v| v + stripe);
        for (centre, width, tint) in &self.blots {
            let d = disc(p, *centre, 0.0) / width;
            let weight = libm::exp(-d * d);
            value = std::array::from_fn(|c| value[c] + weight * tint[c]);
        }
        value
    }
}

/// A short dash of any colour, smaller than every figure.
struct Mark {
    ends: [Point; 2],
    width: f64,
    colour: Colour,
}

impl Mark {
    fn new(draws: &mut Draws) -> Mark {
        let start = [draws.uniform(-1.0, 1.0), draws.uniform(-1.0, 1.0)];
        let end = start.map(|x| x + draws.uniform(-0.25, 0.25));
        Mark { ends: [start, end], width: draws.uniform(0.03, 0.08), colour: colour(draws) }
    }

    fn distance(&self, p: Point) -> f64 {
        segment(p, self.ends[0], self.ends[1]) - self.width
    }
}
