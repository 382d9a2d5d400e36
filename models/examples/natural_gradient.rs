//! Experiment 5, natural-gradient dynamics: IVON's updates against the exact natural gradient, and the natural against the
//! Euclidean gradient where curvature is high.
//!
//! `cargo run --release --example natural_gradient`

mod shared;

use ivon_runtime::blr::{Curvature, Descent, DiagonalGaussian, Expectation, Gaussian, Loss, Quartic, Vector, divergence, step};
use plotters::chart::SeriesLabelPosition;
use shared::data::logistic_regression;
use shared::figure::{Axis, Panel, Series, Style, draw};
use shared::scale::steps;
use std::error::Error;

const EXAMPLES: usize = 400;
const FEATURES: usize = 10;
const DECAY: f64 = 1e-3;
const STEPS: usize = 1500;

/// One step's update of the mean and what it should have been.
struct Measured {
    /// Angle between the update and the natural gradient, in degrees, in the metric of the Fisher matrix.
    angle: f64,
    /// Length of the update over that of the natural gradient, both before the learning rate.
    length: f64,
    /// Angle between the Euclidean and the natural gradient.
    euclidean: f64,
}

/// The angle in degrees between u and v and the ratio of their lengths, in the metric diag(s).
fn compare(u: &Vector, v: &Vector, s: &Vector) -> (f64, f64) {
    let inner = |a: &Vector, b: &Vector| a.component_mul(s).dot(b);
    let (uu, vv) = (inner(u, u).sqrt(), inner(v, v).sqrt());
    ((inner(u, v) / (uu * vv)).clamp(-1.0, 1.0).acos().to_degrees(), uu / vv)
}

/// IVON on logistic regression with ten features, where the natural gradient is known: (E\[∇ℓ\] + δ m) / (h + δ).
fn follow(samples: u32, beta1: f64) -> Result<Vec<Measured>, Box<dyn Error>> {
    let loss = logistic_regression(EXAMPLES, FEATURES, 10.0)?;
    let mut ivon = Descent {
        weight_decay: DECAY,
        hessian_rate: 0.01,
        beta1,
        expectation: Expectation::MonteCarlo { samples, seed: 4 },
        rescale: None,
        ..Descent::ivon(Vector::zeros(FEATURES), 1.0, 0.03, EXAMPLES as f64)
    };
    let mut measured = Vec::new();
    for _ in 0..steps(STEPS) {
        let q = DiagonalGaussian::new(ivon.mean.clone(), ivon.precision().diagonal())?;
        let exact = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1)?;
        let euclidean = exact.gradient + q.mean() * DECAY;
        let natural = euclidean.component_div(&(q.precision() / ivon.ess));
        ivon.step(&loss)?;
        let update = (q.mean() - &ivon.mean) / ivon.rate;
        let (angle, length) = compare(&update, &natural, q.precision());
        measured.push(Measured { angle, length, euclidean: compare(&euclidean, &natural, q.precision()).0 });
    }
    Ok(measured)
}

/// Means over windows of 50 steps, at their middle.
fn smooth(values: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
    let values: Vec<f64> = values.collect();
    let middle = |i: usize, w: &[f64]| (i as f64 + 25.0, w.iter().sum::<f64>() / 50.0);
    values.windows(50).enumerate().step_by(10).map(|(i, w)| middle(i, w)).collect()
}

/// KL(best ‖ q) of each coordinate over the steps, from m = σ = 1 on ½ Σ a θ² with curvatures a, where the best q has
/// m = 0 and σ² = 1/a: by the rule, and by gradient descent on (m, σ).
fn descend(curvatures: &[f64; 3], steps: usize) -> Result<[Vec<[f64; 3]>; 2], Box<dyn Error>> {
    let zero = Vector::zeros(3);
    let second = Vector::from_row_slice(curvatures) / 2.0;
    let loss = Quartic { fourth: zero.clone(), third: zero, second, cross: 0.0 };
    let distance = |m: &Vector, s: &Vector| -> Result<[f64; 3], Box<dyn Error>> {
        let one = |m: f64, s: f64| DiagonalGaussian::new(Vector::from_element(1, m), Vector::from_element(1, s));
        let mut all = [0.0; 3];
        for i in 0..3 {
            all[i] = divergence(&one(0.0, curvatures[i])?, &one(m[i], s[i])?).max(1e-12);
        }
        Ok(all)
    };
    let start = DiagonalGaussian::new(Vector::from_element(3, 1.0), Vector::from_element(3, 1.0))?;

    let mut by_rule = Vec::new();
    let mut q = start.clone();
    for _ in 0..steps {
        by_rule.push(distance(q.mean(), q.precision())?);
        let e = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1)?;
        q = step(&q, &q.expectation_gradient(&e.gradient, &e.hessian), 0.1)?;
    }

    // ∇_m = a m and ∇_σ = a σ − 1/σ; stable below 1/a for the largest a, so that one goes at half of it.
    let rate = 0.5 / curvatures.iter().fold(0.0, |a: f64, b| a.max(*b));
    let mut by_gradient = Vec::new();
    let (mut m, mut sigma) = (start.mean().clone(), Vector::from_element(3, 1.0));
    for _ in 0..steps {
        by_gradient.push(distance(&m, &sigma.map(|x| x.powi(-2)))?);
        let h = loss.hessian(&m).diagonal();
        m -= loss.gradient(&m) * rate;
        sigma = sigma.zip_map(&h, |sigma, a| sigma - rate * (a * sigma - 1.0 / sigma));
    }
    Ok([by_rule, by_gradient])
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("IVON's update of the mean against the exact natural gradient, in the Fisher metric");
    println!("{:<26} {:>24} {:>24}", "", "angle (degrees)", "length ratio");
    println!("{:<26} {:>12} {:>11} {:>12} {:>11}", "", "first 100", "last 500", "first 100", "last 500");
    let (mut angles, mut lengths) = (Vec::new(), Vec::new());
    let settings = [(1, 0.0), (1, 0.9), (16, 0.0), (16, 0.9)];
    for (color, (samples, beta1)) in settings.into_iter().enumerate() {
        let run = follow(samples, beta1)?;
        let mean = |part: &[Measured], f: fn(&Measured) -> f64| part.iter().map(f).sum::<f64>() / part.len() as f64;
        let median_length = |part: &[Measured]| {
            let mut all: Vec<f64> = part.iter().map(|m| m.length).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let (first, last) = (&run[..run.len().min(100)], &run[run.len().saturating_sub(500)..]);
        let label = format!("{samples} sample{}, beta1 = {beta1}", if samples == 1 { "" } else { "s" });
        println!(
            "{label:<26} {:>12.1} {:>11.1} {:>12.2} {:>11.2}",
            mean(first, |m| m.angle),
            mean(last, |m| m.angle),
            median_length(first),
            median_length(last)
        );
        if color == 3 {
            let euclidean = [mean(first, |m| m.euclidean), mean(last, |m| m.euclidean)];
            println!("{:<26} {:>12.1} {:>11.1}", "Euclidean gradient", euclidean[0], euclidean[1]);
            let points = smooth(run.iter().map(|m| m.euclidean));
            angles.push(Series { label: "Euclidean gradient".into(), color: 6, style: Style::Dashed, points });
        }
        angles.push(Series { label, color, style: Style::Line, points: smooth(run.iter().map(|m| m.angle)) });
        lengths.push(Series { label: String::new(), color, style: Style::Line, points: smooth(run.iter().map(|m| m.length)) });
    }

    let curvatures = [1.0, 100.0, 10_000.0];
    let paths = descend(&curvatures, 20_000)?;
    println!("\nsteps until KL(best, q) is below 0.01, by curvature");
    println!("{:<26} {:>10} {:>10} {:>10}", "", curvatures[0], curvatures[1], curvatures[2]);
    let mut curves = Vec::new();
    for (path, name, style) in [(&paths[0], "natural", Style::Line), (&paths[1], "Euclidean", Style::Dashed)] {
        let steps = |i: usize| path.iter().position(|kl| kl[i] < 0.01).map_or("> 20000".to_string(), |s| s.to_string());
        println!("{name:<26} {:>10} {:>10} {:>10}", steps(0), steps(1), steps(2));
        for (i, a) in curvatures.iter().enumerate() {
            let points = path.iter().enumerate().map(|(t, kl)| ((t + 1) as f64, kl[i].max(1e-6))).collect();
            curves.push(Series { label: format!("{name}, curvature {a}"), color: i, style, points });
        }
    }

    let panel = |title, x, y, legend, series| Panel { title, x, y, legend, series };
    use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft};
    draw(
        "natural_gradient",
        &[
            panel("angle to the natural gradient", Axis::linear("step"), Axis::linear("degrees"), LowerRight, angles),
            panel(
                "length by the natural gradient's (colours as left)",
                Axis::linear("step"),
                Axis::log("ratio"),
                UpperLeft,
                lengths,
            ),
            panel("natural and Euclidean descent", Axis::log("step"), Axis::log("KL(best, q)"), LowerLeft, curves),
        ],
    )?;
    Ok(())
}
