//! Small data sets of many kinds, and a network with one hidden layer for each.

use ivon_runtime::layers::Linear;
use ivon_runtime::noise::Noise;
use ivon_runtime::ops::{cross_entropy, gaussian_nll, relu};
use ivon_runtime::prelude::*;
use std::f64::consts::PI;

/// Units of the hidden layer.
const WIDTH: usize = 50;

/// Logits of classes.
#[variational]
pub struct Classifier<const IN: usize, const CLASSES: usize> {
    up: Linear<IN, WIDTH>,
    down: Linear<WIDTH, CLASSES>,
}

#[variational]
impl<const IN: usize, const CLASSES: usize> Classifier<IN, CLASSES> {
    pub fn logits<B>(&self, x: Tensor<B, IN>) -> Tensor<B, CLASSES> {
        self.down.forward(relu(self.up.forward(x)))
    }

    pub fn loss<B>(&self, x: Tensor<B, IN>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(x), labels)
    }
}

/// Mean and log-variance of a number.
#[variational]
pub struct Regressor<const IN: usize> {
    up: Linear<IN, WIDTH>,
    mean: Linear<WIDTH, 1>,
    #[parameter(init = zeros)]
    log_variance: Linear<WIDTH, 1>,
}

#[variational]
impl<const IN: usize> Regressor<IN> {
    fn features<B>(&self, x: Tensor<B, IN>) -> Tensor<B, WIDTH> {
        relu(self.up.forward(x))
    }

    pub fn mean<B>(&self, x: Tensor<B, IN>) -> Tensor<B, 1> {
        self.mean.forward(self.features(x))
    }

    pub fn log_variance<B>(&self, x: Tensor<B, IN>) -> Tensor<B, 1> {
        self.log_variance.forward(self.features(x))
    }

    pub fn loss<B>(&self, x: Tensor<B, IN>, y: Tensor<B, 1>) -> Tensor {
        let h = self.features(x);
        gaussian_nll(self.mean.forward(h), self.log_variance.forward(h), y)
    }
}

/// Rows of numbers, and a class or a number for each.
#[derive(Clone, Default)]
pub struct Rows {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

/// A data set with its validation rows.
pub struct Task {
    pub name: &'static str,
    pub columns: usize,
    /// The number of classes; 0 for regression.
    pub classes: usize,
    pub training: Rows,
    pub validation: Rows,
}

/// Random numbers of one task.
struct Random {
    noise: Noise,
    uniform: u64,
    normal: u64,
}

impl Random {
    fn new(seed: u64, task: u32) -> Random {
        Random { noise: Noise::of(seed, task, 0), uniform: 0, normal: 1 << 40 }
    }

    /// Uniform on [0, 1).
    fn uniform(&mut self) -> f64 {
        let mut x = [0f32];
        self.noise.fill_uniform(self.uniform, 0.5, &mut x);
        self.uniform += 1;
        f64::from(x[0]) + 0.5
    }

    fn normal(&mut self) -> f64 {
        let mut x = [0f32];
        self.noise.fill_normals(self.normal, &mut x);
        self.normal += 1;
        f64::from(x[0])
    }

    fn coin(&mut self, p: f64) -> bool {
        self.uniform() < p
    }
}

/// The first rows train, the others validate. Columns, and targets where asked for, have mean 0 and standard deviation 1 over the former.
fn split(name: &'static str, columns: usize, classes: usize, rows: Vec<(Vec<f64>, f64)>, training: usize, targets: bool) -> Task {
    let mut table: Vec<Vec<f64>> = rows.into_iter().map(|(x, y)| x.into_iter().chain([y]).collect()).collect();
    for j in 0..columns + usize::from(targets) {
        let mean = table[..training].iter().map(|row| row[j]).sum::<f64>() / training as f64;
        let variance = table[..training].iter().map(|row| (row[j] - mean).powi(2)).sum::<f64>() / training as f64;
        let deviation = variance.sqrt().max(1e-6);
        table.iter_mut().for_each(|row| row[j] = (row[j] - mean) / deviation);
    }
    let rows = |part: &[Vec<f64>]| Rows {
        x: part.iter().flat_map(|row| &row[..columns]).map(|x| *x as f32).collect(),
        y: part.iter().map(|row| row[columns] as f32).collect(),
    };
    Task { name, columns, classes, training: rows(&table[..training]), validation: rows(&table[training..]) }
}

fn moons(r: &mut Random, rows: usize) -> Vec<(Vec<f64>, f64)> {
    let row = |_| {
        let (up, angle) = (r.coin(0.5), PI * r.uniform());
        let [x, y] = if up { [angle.cos(), angle.sin()] } else { [1.0 - angle.cos(), 0.5 - angle.sin()] };
        (vec![x + 0.25 * r.normal(), y + 0.25 * r.normal()], f64::from(u8::from(up)))
    };
    (0..rows).map(row).collect()
}

fn spirals(r: &mut Random, rows: usize) -> Vec<(Vec<f64>, f64)> {
    let row = |_| {
        let (up, angle) = (r.coin(0.5), 3.0 * PI * r.uniform().sqrt());
        let side = if up { 0.2 } else { -0.2 } * angle;
        (vec![side * angle.cos() + 0.08 * r.normal(), side * angle.sin() + 0.08 * r.normal()], f64::from(u8::from(up)))
    };
    (0..rows).map(row).collect()
}

/// Friedman's first table (1991), with noise of deviation 1.
fn friedman(r: &mut Random, rows: usize, scale: f64) -> Vec<(Vec<f64>, f64)> {
    let row = |_| {
        let x: Vec<f64> = (0..10).map(|_| r.uniform()).collect();
        let y = 10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4] + r.normal();
        (x, scale * y)
    };
    (0..rows).map(row).collect()
}

/// The data sets that are generated from a seed. `large` adds the one of 100,000 rows.
pub fn generated(seed: u64, large: bool) -> Vec<Task> {
    let random = |task| Random::new(1000 + seed, task);
    let sine = |r: &mut Random| {
        let x = 6.0 * r.uniform() - 3.0;
        (vec![x], (2.0 * x).sin() + 0.1 * r.normal())
    };
    let rare = |r: &mut Random| {
        let found = r.coin(0.02);
        let x = (0..5).map(|j| r.normal() + if found && j < 2 { 1.5 } else { 0.0 }).collect();
        (x, f64::from(u8::from(found)))
    };
    let mut scaled = split("scaled", 2, 2, moons(&mut random(3), 1500), 500, false);
    for rows in [&mut scaled.training, &mut scaled.validation] {
        rows.x.chunks_mut(2).for_each(|x| (x[0], x[1]) = (100.0 * x[0], 0.01 * x[1]));
    }
    let r = &mut random(2);
    let sine20 = (0..520).map(|_| sine(r)).collect();
    let r = &mut random(4);
    let noise = (0..1500).map(|_| ((0..10).map(|_| r.normal()).collect(), f64::from(u8::from(r.coin(0.5))))).collect();
    let r = &mut random(5);
    let imbalanced = (0..3000).map(|_| rare(r)).collect();
    let mut all = vec![
        split("moons", 2, 2, moons(&mut random(0), 1500), 500, false),
        split("spirals", 2, 2, spirals(&mut random(1), 1500), 500, false),
        split("sine20", 1, 0, sine20, 20, true),
        scaled,
        split("noise", 10, 2, noise, 500, false),
        split("imbalanced", 5, 2, imbalanced, 1000, false),
        split("raw60", 10, 0, friedman(&mut random(6), 1000, 12.0), 400, false),
        split("ten", 2, 2, moons(&mut random(7), 1010), 10, false),
    ];
    if large {
        all.push(split("rows100k", 10, 0, friedman(&mut random(8), 102_000, 1.0), 100_000, true));
    }
    all
}

/// A table of numbers with the class or target in the last column, separated by commas or spaces; rows are shuffled, and three quarters train.
pub fn table(seed: u64, name: &'static str, text: &str, columns: usize, classes: usize) -> Option<Task> {
    let parse = |line: &str| line.split([',', ' ', '\t']).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
    let lines = text.lines().map(parse).collect::<Vec<Option<Vec<f64>>>>();
    // The first line may be a heading.
    let whole = lines.into_iter().flatten().filter(|row| row.len() == columns + 1);
    let mut rows: Vec<(Vec<f64>, f64)> = whole.map(|row| (row[..columns].to_vec(), row[columns])).collect();
    let mut r = Random::new(2000 + seed, 0);
    for i in (1..rows.len()).rev() {
        rows.swap(i, (r.uniform() * (i + 1) as f64) as usize % (i + 1));
    }
    let training = 3 * rows.len() / 4;
    (training > 0).then(|| split(name, columns, classes, rows, training, classes == 0))
}
