//! One-dimensional regression with gaps in the data: the bands widen inside the gaps.

use super::shared::figure::{Axis, Panel, Series, Style};
use super::shared::net::Bumps;
use super::shared::scale;
use ivon_runtime::blr::{FullGaussian, Gaussian, LinearRegression, Loss, Matrix, Vector};
use ivon_runtime::noise::Noise;
use ivon_runtime::prelude::*;
use plotters::chart::SeriesLabelPosition;
use std::error::Error;

/// The intervals that contain data.
const PARTS: [(f64, f64); 3] = [(-3.0, -2.0), (-0.4, 0.4), (1.9, 2.8)];
const EXAMPLES: usize = 90;
const HIDDEN: usize = 64;
/// Prior precision of a height over the number of examples: a deviation of 0.5.
const DECAY: f64 = 4.0 / EXAMPLES as f64;
/// Standard deviation of the noise in y.
const NOISE: f64 = 0.1;
const STEPS: usize = 10_000;
const SAMPLES: u32 = 200;

fn truth(x: f64) -> f64 {
    (2.0 * x).sin() * 0.6 + 0.3 * x
}

/// x and y.
fn data() -> (Vec<f64>, Vec<f64>) {
    let mut noise = vec![0f32; EXAMPLES];
    Noise::of(31, 1, 0).fill_normals(0, &mut noise);
    let each = EXAMPLES / PARTS.len();
    let x: Vec<f64> =
        PARTS.iter().flat_map(|(a, b)| (0..each).map(move |i| a + (b - a) * (i as f64 + 0.5) / each as f64)).collect();
    let y = x.iter().zip(&noise).map(|(x, e)| truth(*x) + NOISE * f64::from(*e)).collect();
    (x, y)
}

/// A column `[n, 1]` of numbers.
pub fn column(values: &[f64]) -> Result<Tensor> {
    let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    Tensor::from_slice(&values, [values.len(), 1])
}

/// The deviation of f(x) under the exact posterior, which is known: f is linear in what is learnt.
fn exact(model: &Bumps, ivon: &mut Ivon, x: &[f64], y: &[f64], grid: &[f64]) -> std::result::Result<Vec<f64>, Box<dyn Error>> {
    let mut features = |x: &[f64]| -> Result<Matrix> {
        let column = column(x)?;
        let values = ivon.at_mean(|cx| Ok(model.features(cx, &column)?.to_f64()))?;
        Ok(Matrix::from_row_slice(x.len(), HIDDEN, &values))
    };
    let (phi, at) = (features(x)?, features(grid)?);
    let loss = LinearRegression::new(phi, Vector::from_row_slice(y), NOISE * NOISE)?;
    let n = x.len() as f64;
    let precision = (loss.hessian(&Vector::zeros(HIDDEN)) + Matrix::identity(HIDDEN, HIDDEN) * DECAY) * n;
    let q = FullGaussian::new(Vector::zeros(HIDDEN), precision)?;
    Ok((&at * q.covariance() * at.transpose()).diagonal().iter().map(|v| v.sqrt()).collect())
}

pub fn mean_and_deviation(functions: &[Vec<f64>], i: usize) -> (f64, f64) {
    let n = functions.len() as f64;
    let mean = functions.iter().map(|f| f[i]).sum::<f64>() / n;
    let variance = functions.iter().map(|f| (f[i] - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance.sqrt())
}

/// The chart.
pub fn bands() -> std::result::Result<Panel, Box<dyn Error>> {
    let (x, y) = data();
    let mut model = Bumps::<HIDDEN>::new();
    model.precision = NOISE.powi(-2);
    let config = IvonConfig::new(x.len() as f64).hess_init(10.0).beta2(0.998).weight_decay(DECAY);
    let mut ivon = Ivon::new(&model, config, Settings::default())?;
    let schedule = Schedule::cosine(0.01, 0.0, 200, STEPS);
    let (tx, ty) = (column(&x)?, column(&y)?);
    for step in 0..scale::steps(STEPS) {
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, &tx, &ty))?;
    }
    let grid: Vec<f64> = (0..=160).map(|i| -4.0 + 8.0 * f64::from(i) / 160.0).collect();
    let column = column(&grid)?;
    let found: Vec<Vec<f64>> =
        (0..SAMPLES).map(|k| ivon.at_sample(k, |cx| Ok(model.forward(cx, &column)?.to_f64()))).collect::<Result<_>>()?;
    let truly = exact(&model, &mut ivon, &x, &y, &grid)?;
    let band: Vec<(f64, f64)> = (0..grid.len()).map(|i| mean_and_deviation(&found, i)).collect();

    let data_here = |x: f64| PARTS.iter().any(|(a, b)| (a..=b).contains(&&x));
    let between = |x: f64| !data_here(x) && (PARTS[0].0..PARTS[2].1).contains(&x);
    let ivons: Vec<f64> = band.iter().map(|b| b.1).collect();
    let mean_of = |wanted: &dyn Fn(f64) -> bool, deviations: &[f64]| {
        let all: Vec<f64> = grid.iter().zip(deviations).filter(|(x, _)| wanted(**x)).map(|(_, d)| *d).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    println!("regression with gaps: deviation of f(x), noise in y {NOISE}");
    println!("{:<26} {:>8} {:>16}", "", "IVON", "exact posterior");
    let outside = |x: f64| !(PARTS[0].0..PARTS[2].1).contains(&x);
    let places: [(&str, &dyn Fn(f64) -> bool); 3] =
        [("where there are data", &data_here), ("in the gaps between", &between), ("outside of all data", &outside)];
    for (name, wanted) in places {
        println!("{name:<26} {:>8.3} {:>16.3}", mean_of(wanted, &ivons), mean_of(wanted, &truly));
    }

    let outline = |k: f64| {
        let up = grid.iter().zip(&band).map(|(x, (m, s))| (*x, m + k * s));
        let back = grid.iter().zip(&band).rev().map(|(x, (m, s))| (*x, m - k * s));
        up.chain(back).collect::<Vec<_>>()
    };
    let line = |points, label: &str, color, style| Series { label: label.into(), color, style, points };
    let mut series = vec![line(outline(2.0), "two deviations", 0, Style::Area), line(outline(1.0), "", 0, Style::Area)];
    series.extend(found.iter().take(4).map(|f| line(grid.iter().copied().zip(f.iter().copied()).collect(), "", 5, Style::Line)));
    series.push(line(grid.iter().zip(&band).map(|(x, b)| (*x, b.0)).collect(), "mean", 0, Style::Line));
    for (sign, label) in [(2.0, "two deviations, exact"), (-2.0, "")] {
        let edge = grid.iter().zip(&band).zip(&truly).map(|((x, (m, _)), s)| (*x, m + sign * s)).collect();
        series.push(line(edge, label, 2, Style::Dashed));
    }
    series.push(line(grid.iter().map(|x| (*x, truth(*x))).collect(), "truth", 6, Style::Dashed));
    series.push(line(x.iter().copied().zip(y).collect(), "data", 1, Style::Points));
    Ok(Panel {
        title: "regression with gaps in the data",
        x: Axis::linear("x"),
        y: Axis::linear("y"),
        legend: SeriesLabelPosition::LowerRight,
        series,
    })
}
