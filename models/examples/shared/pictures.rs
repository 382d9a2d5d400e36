//! Labelled examples, and images of ten shapes made by rule.

use ivon_runtime::noise::Noise;
use ivon_runtime::{Result, Tensor};

/// Inputs `[n, width]` and labels `[n]`.
#[derive(Clone)]
pub struct Examples {
    pub x: Vec<f32>,
    pub y: Vec<u32>,
    pub width: usize,
    pub classes: usize,
}

impl Examples {
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// The examples of these rows as tensors.
    ///
    /// # Errors
    /// None for rows in range.
    pub fn rows(&self, rows: &[usize]) -> Result<(Tensor, Tensor)> {
        let x: Vec<f32> = rows.iter().flat_map(|i| &self.x[i * self.width..(i + 1) * self.width]).copied().collect();
        let y: Vec<u32> = rows.iter().map(|i| self.y[*i]).collect();
        Ok((Tensor::from_slice(&x, [rows.len(), self.width])?, Tensor::from_slice(&y, [rows.len()])?))
    }

    /// All examples as tensors.
    ///
    /// # Errors
    /// None.
    pub fn all(&self) -> Result<(Tensor, Tensor)> {
        Ok((Tensor::from_slice(&self.x, [self.len(), self.width])?, Tensor::from_slice(&self.y, [self.len()])?))
    }

    /// Those whose label is wanted.
    pub fn only(&self, wanted: impl Fn(u32) -> bool) -> Examples {
        let rows: Vec<usize> = (0..self.len()).filter(|i| wanted(self.y[*i])).collect();
        let x = rows.iter().flat_map(|i| &self.x[i * self.width..(i + 1) * self.width]).copied().collect();
        Examples { x, y: rows.iter().map(|i| self.y[*i]).collect(), ..*self }
    }

    /// The first `n`.
    pub fn first(&self, n: usize) -> Examples {
        Examples { x: self.x[..n * self.width].to_vec(), y: self.y[..n].to_vec(), ..*self }
    }

    /// Batches without end: every example once an epoch, in another order each time.
    pub fn shuffled(&self, batch: usize) -> Shuffled<'_> {
        Shuffled { examples: self, batch: batch.min(self.len()), order: Vec::new(), epoch: 0 }
    }
}

/// See [`Examples::shuffled`].
pub struct Shuffled<'a> {
    examples: &'a Examples,
    batch: usize,
    order: Vec<usize>,
    epoch: u32,
}

impl Shuffled<'_> {
    /// The next batch; what is left of an epoch and too little for one is skipped.
    ///
    /// # Errors
    /// None.
    pub fn next_batch(&mut self) -> Result<(Tensor, Tensor)> {
        if self.order.len() < self.batch {
            let n = self.examples.len();
            let mut keys = vec![0u32; n];
            Noise::of(0x5AFF1E, 1 + self.epoch, 0).fill_words(0, &mut keys);
            self.order = (0..n).collect();
            self.order.sort_by_key(|i| keys[*i]);
            self.epoch += 1;
        }
        let rest = self.order.split_off(self.order.len() - self.batch);
        self.examples.rows(&rest)
    }
}

/// Uniform numbers on [0, 1) of one example.
struct Random(Vec<u32>, usize);

impl Random {
    fn new(seed: u64, example: usize) -> Random {
        let mut words = vec![0; 64];
        Noise::of(seed, example as u32 + 1, 0).fill_words(0, &mut words);
        Random(words, 0)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.1 += 1;
        low + (high - low) * f64::from(self.0[self.1 - 1]) / 2f64.powi(32)
    }
}

/// The side of a generated image.
pub const SIDE: usize = 16;

/// `n` grey images of ten shapes, `[n, 256]`: disk, ring, square, frame, triangle, plus, cross, one bar, two bars, half disk. Place, size,
/// angle, thickness, contrast, a gradient in the background, a bright line across and noise in every pixel differ from image to image.
pub fn pictures(n: usize, seed: u64) -> Examples {
    let mut x = Vec::with_capacity(n * SIDE * SIDE);
    let mut y = Vec::with_capacity(n);
    for i in 0..n {
        let mut random = Random::new(seed, i);
        let class = (random.between(0.0, 10.0) as u32).min(9);
        y.push(class);
        draw(class, &mut random, seed, i, &mut x);
    }
    Examples { x, y, width: SIDE * SIDE, classes: 10 }
}

fn draw(class: u32, random: &mut Random, seed: u64, example: usize, x: &mut Vec<f32>) {
    let (cx, cy) = (random.between(-0.25, 0.25), random.between(-0.25, 0.25));
    let (size, angle) = (random.between(0.5, 0.8), random.between(-0.3, 0.3));
    let thick = random.between(0.14, 0.24);
    let contrast = random.between(0.6, 1.4);
    let slope = (random.between(-0.5, 0.5), random.between(-0.5, 0.5));
    let line = (random.between(0.0, std::f64::consts::PI), random.between(-0.8, 0.8), random.between(0.0, 0.6));
    let mut noise = vec![0f32; SIDE * SIDE];
    Noise::of(seed, example as u32 + 1, 1).fill_normals(0, &mut noise);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let place = |i: usize| (i as f64 + 0.5) / SIDE as f64 * 2.0 - 1.0;
            let (px, py) = (place(column), place(row));
            let (dx, dy) = ((px - cx) / size, (py - cy) / size);
            let (u, v) = (dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin());
            // Below zero inside the shape, in units of its size.
            let ring = |d: f64| d.abs() - thick;
            let (disk, square) = (u.hypot(v) - 0.9, u.abs().max(v.abs()) - 0.8);
            let bar = |a: f64, b: f64| (a.abs() - thick).max(b.abs() - 0.95);
            let distance = match class {
                0 => disk,
                1 => ring(disk + thick),
                2 => square,
                3 => ring(square + thick),
                4 => (v - 0.7).max(-v * 0.5 + u.abs() - 0.4),
                5 => bar(u, v).min(bar(v, u)),
                6 => bar((u + v) * 0.7, (u - v) * 0.7).min(bar((u - v) * 0.7, (u + v) * 0.7)),
                7 => bar(v, u),
                8 => bar(v - 0.45, u).min(bar(v + 0.45, u)),
                _ => disk.max(v),
            };
            let inside = (0.5 - distance * size * SIDE as f64 / 2.0).clamp(0.0, 1.0);
            let across = (px * line.0.cos() + py * line.0.sin() - line.1).abs() < 0.07;
            let value = contrast * inside + slope.0 * px + slope.1 * py + if across { line.2 } else { 0.0 };
            x.push(value as f32 + 0.25 * noise[row * SIDE + column]);
        }
    }
}

/// Two half moons that reach into each other, `[n, 2]`, with noise.
pub fn moons(n: usize, spread: f64, seed: u64) -> Examples {
    let mut noise = vec![0f32; 2 * n];
    Noise::of(seed, 1, 0).fill_normals(0, &mut noise);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let angle = std::f64::consts::PI * (i / 2) as f64 / (n / 2) as f64;
        let (a, b) = if i % 2 == 0 { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        x.push((a - 0.5 + spread * f64::from(noise[2 * i])) as f32);
        x.push((b - 0.25 + spread * f64::from(noise[2 * i + 1])) as f32);
        y.push((i % 2) as u32);
    }
    Examples { x, y, width: 2, classes: 2 }
}
