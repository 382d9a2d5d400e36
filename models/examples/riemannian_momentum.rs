//! Experiment 6, momentum and the Riemannian correction: with and without, on a small net that is not convex.
//!
//! `cargo run --release --example riemannian_momentum`

mod shared;

use ivon_runtime::blr::{
    Descent, DiagonalGaussian, Expectation, Gaussian, Loss, Matrix, Precision, Vector, divergence, gauss_hermite_grid,
};
use plotters::chart::SeriesLabelPosition;
use shared::data::normals;
use shared::figure::{Axis, Chart, Panel, Series, Style, draw_rows};
use shared::scale::steps;
use std::error::Error;

const EXAMPLES: usize = 40;
const DECAY: f64 = 0.02;
const NOISE_VARIANCE: f64 = 0.09;
const STEPS: usize = 1500;
const RUNS: u64 = 40;

/// The smallest net: y = v tanh(w x) + noise, θ = (w, v). Its Hessian is indefinite around the origin, where training starts.
struct Net {
    x: Vector,
    y: Vector,
}

impl Net {
    fn new() -> Net {
        let x = normals(71, EXAMPLES) * 1.5;
        let y = x.map(|x| 1.2 * (1.5 * x).tanh()) + normals(72, EXAMPLES) * NOISE_VARIANCE.sqrt();
        Net { x, y }
    }

    /// For each example: tanh(w x), its slope in w, and v tanh(w x) − y.
    fn parts<'a>(&'a self, theta: &'a Vector) -> impl Iterator<Item = (f64, f64, f64, f64)> + 'a {
        self.x.iter().zip(&self.y).map(|(x, y)| {
            let t = (theta[0] * x).tanh();
            (*x, t, x * (1.0 - t * t), theta[1] * t - y)
        })
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / (NOISE_VARIANCE * EXAMPLES as f64)
    }
}

impl Loss for Net {
    fn dimension(&self) -> usize {
        2
    }

    fn value(&self, theta: &Vector) -> f64 {
        self.mean(self.parts(theta).map(|(_, _, _, error)| 0.5 * error * error).sum())
    }

    fn gradient(&self, theta: &Vector) -> Vector {
        let (mut w, mut v) = (0.0, 0.0);
        for (_, t, slope, error) in self.parts(theta) {
            w += error * theta[1] * slope;
            v += error * t;
        }
        Vector::from_row_slice(&[self.mean(w), self.mean(v)])
    }

    fn hessian(&self, theta: &Vector) -> Matrix {
        let (mut ww, mut wv, mut vv) = (0.0, 0.0, 0.0);
        for (x, t, slope, error) in self.parts(theta) {
            ww += (theta[1] * slope).powi(2) - 2.0 * error * theta[1] * t * slope * x;
            wv += theta[1] * slope * t + error * slope;
            vv += t * t;
        }
        Matrix::from_row_slice(2, 2, &[self.mean(ww), self.mean(wv), self.mean(wv), self.mean(vv)])
    }
}

/// The objective to minimise, ess · E_q\[ℓ\] + KL(q ‖ prior), by quadrature.
struct Bound<'a> {
    net: &'a Net,
    grid: Vec<(f64, Vector)>,
}

impl Bound<'_> {
    fn of(&self, mean: &Vector, precision: &Vector) -> ivon_runtime::Result<f64> {
        let q = DiagonalGaussian::new(mean.clone(), precision.clone())?;
        let ess = EXAMPLES as f64;
        let prior = DiagonalGaussian::new(Vector::zeros(2), Vector::from_element(2, ess * DECAY))?;
        let expected: f64 = self.grid.iter().map(|(weight, noise)| weight * self.net.value(&q.sample(noise))).sum();
        Ok(ess * expected + divergence(&q, &prior))
    }
}

/// One run of IVON.
struct Run {
    /// The step that had no posterior, if any.
    failed: Option<usize>,
    /// h + δ of w over the steps.
    precision: Vec<f64>,
    /// The lower of both h + δ over the steps, the last one included.
    lowest: Vec<f64>,
    /// The bound, every tenth step.
    bounds: Vec<(f64, f64)>,
}

///
/// After every step the momentum, which IVON keeps as an average of gradients, is multiplied by (new precision / old precision) to the power of
/// `transport`. 0 keeps gradients as they are; 1 keeps updates of the mean as they are; ½ is the parallel transport of the
/// Fisher metric S dm² + dS² / (2 S²) along a change of S: Γ^m_mS = 1 / (2 S), so a vector at m goes as S^(−½) and its gradient as S^½.
fn run(bound: &Bound, hessian_rate: f64, beta1: f64, correction: bool, transport: f64, seed: u64) -> ivon_runtime::Result<Run> {
    let mut ivon = Descent {
        weight_decay: DECAY,
        hessian_rate,
        beta1,
        correction,
        expectation: Expectation::MonteCarlo { samples: 1, seed },
        rescale: None,
        ..Descent::ivon(Vector::from_element(2, 0.05), 2.0, 0.03, EXAMPLES as f64)
    };
    let (mut precision, mut lowest, mut bounds, mut failed) = (Vec::new(), Vec::new(), Vec::new(), None);
    for t in 0..steps(STEPS) {
        let s = ivon.precision().diagonal();
        precision.push(s[0] / ivon.ess);
        lowest.push(s.min() / ivon.ess);
        if t % 10 == 0 && s.iter().all(|s| *s > 0.0) {
            bounds.push(((t + 1) as f64, bound.of(&ivon.mean, &s)?));
        }
        if ivon.step(bound.net).is_err() {
            failed = Some(t + 1);
            break;
        }
        if transport > 0.0 {
            let change = ivon.precision().diagonal().component_div(&s);
            ivon.momentum.component_mul_assign(&change.map(|c| c.max(0.0).powf(transport)));
        }
    }
    Ok(Run { failed, precision, lowest, bounds })
}

/// The bound above the best with momentum that is kept in three ways, over rates of the Hessian.
fn transports(bound: &Bound, best: f64, rates: &[f64]) -> Result<Vec<Series>, Box<dyn Error>> {
    println!("\nmomentum while the precision S changes, corrected: bound above best over 1 - beta2");
    print!("{:>7} {:<34}", "beta1", "");
    rates.iter().for_each(|rate| print!("{rate:>9}"));
    println!();
    let ways = [(0.0, "gradients kept (IVON)"), (0.5, "parallel transport"), (1.0, "updates kept")];
    let mut series = Vec::new();
    for (beta1, style) in [(0.9, Style::Line), (0.99, Style::Dashed)] {
        for (color, (transport, name)) in ways.into_iter().enumerate() {
            print!("{beta1:>7} {name:<34}");
            let mut points = Vec::new();
            for rate in rates {
                let runs = (0..steps(RUNS as usize) as u64)
                    .map(|seed| run(bound, *rate, beta1, true, transport, seed))
                    .collect::<Result<Vec<Run>, _>>()?;
                let tail = |r: &Run| {
                    let tail = &r.bounds[r.bounds.len() * 4 / 5..];
                    tail.iter().map(|b| b.1).sum::<f64>() / tail.len() as f64
                };
                let whole: Vec<f64> = runs.iter().filter(|r| r.failed.is_none()).map(tail).collect();
                let above = whole.iter().sum::<f64>() / whole.len() as f64 - best;
                print!("{above:>9.3}");
                points.push((*rate, above));
            }
            println!();
            series.push(Series { label: format!("{name}, beta1 = {beta1}"), color, style, points });
        }
    }
    Ok(series)
}

/// The best diagonal Gaussian: the rule with quadrature from a good start.
fn optimum(net: &Net) -> ivon_runtime::Result<Descent> {
    let mut best = Descent {
        ess: EXAMPLES as f64,
        weight_decay: DECAY,
        correction: true,
        expectation: Expectation::GaussHermite { points: 24 },
        ..Descent::exact(Vector::from_row_slice(&[1.5, 1.2]), Precision::Diagonal(Vector::from_element(2, 1.0)), 0.1)
    };
    for _ in 0..500 {
        best.step(net)?;
    }
    Ok(best)
}

fn main() -> Result<(), Box<dyn Error>> {
    let net = Net::new();
    let best = optimum(&net)?;
    let bound = Bound { net: &net, grid: gauss_hermite_grid(16, 2)? };
    let best_bound = bound.of(&best.mean, &best.precision().diagonal())?;
    println!("best diagonal Gaussian: bound {best_bound:.4}\n");
    println!(
        "{:>10} {:>7} {:>12} {:>8} {:>20} {:>24}",
        "1 - beta2", "beta1", "correction", "failed", "bound above best", "(h + delta) / its best"
    );

    let rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
    let (mut ratios, mut curves, mut precisions) = (Vec::new(), Vec::new(), Vec::new());
    let mut shown = 0;
    for (which, (beta1, correction)) in [(0.0, false), (0.0, true), (0.9, false), (0.9, true)].into_iter().enumerate() {
        let label = format!("beta1 = {beta1}, {}", if correction { "corrected" } else { "plain" });
        let mut points = Vec::new();
        for rate in rates {
            let runs = (0..steps(RUNS as usize) as u64)
                .map(|seed| run(&bound, rate, beta1, correction, 0.0, seed))
                .collect::<Result<Vec<Run>, _>>()?;
            let whole: Vec<&Run> = runs.iter().filter(|r| r.failed.is_none()).collect();
            let n = whole.len() as f64;
            // Over the last fifth of all runs that came to the end.
            let tail =
                |r: &Run| r.bounds[r.bounds.len() * 4 / 5..].iter().map(|b| b.1).sum::<f64>() / (r.bounds.len() / 5) as f64;
            let above = whole.iter().map(|r| tail(r)).sum::<f64>() / n - best_bound;
            let late = |r: &Run| {
                let last = &r.precision[r.precision.len() * 4 / 5..];
                last.iter().sum::<f64>() / last.len() as f64
            };
            let truth = best.precision()[(0, 0)] / best.ess;
            let ratio = whole.iter().map(|r| late(r)).sum::<f64>() / n / truth;
            let failed = runs.len() - whole.len();
            let show = |x: f64, digits: usize| if x.is_finite() { format!("{x:.digits$}") } else { "-".into() };
            let word = if correction { "yes" } else { "no" };
            println!("{rate:>10} {beta1:>7} {word:>12} {failed:>5}/{} {:>20} {:>24}", runs.len(), show(above, 3), show(ratio, 2));
            points.push((rate, ratio));
            if rate == 0.01 {
                let steps = whole.first().map_or(0, |r| r.bounds.len());
                let mean = |i: usize| whole.iter().map(|r| r.bounds[i].1).sum::<f64>() / n - best_bound;
                let points = (0..steps).map(|i| (whole[0].bounds[i].0, mean(i).max(1e-3))).collect();
                curves.push(Series { label: label.clone(), color: which, style: Style::Line, points });
            }
            if rate == 0.03 && beta1 == 0.9 {
                if !correction {
                    // The first run to fail, if one does: its seed is shown with the correction too.
                    let failures = runs.iter().enumerate().filter_map(|(seed, r)| r.failed.map(|step| (step, seed)));
                    shown = failures.min().map_or(0, |(_, seed)| seed);
                }
                let lowest = runs[shown].lowest.iter().take(100).enumerate();
                let points: Vec<(f64, f64)> = lowest.map(|(t, p)| ((t + 1) as f64, *p)).collect();
                if let Some(end) = runs[shown].failed.and(points.last()) {
                    let label = "no posterior any more".to_string();
                    precisions.push(Series { label, color: which, style: Style::Points, points: vec![*end] });
                }
                precisions.push(Series { label: label.clone(), color: which, style: Style::Line, points });
            }
        }
        ratios.push(Series { label, color: which, style: Style::Line, points });
    }

    let panel = |title, x, y, legend, series| Panel { title, x, y, legend, series };
    use SeriesLabelPosition::{UpperLeft, UpperRight};
    let transports = transports(&bound, best_bound, &rates)?;
    let panels = [
        panel(
            "lower of both h + delta, 1 - beta2 = 0.03",
            Axis::linear("step"),
            Axis::linear("h + delta"),
            UpperRight,
            precisions,
        ),
        panel("the bound, 1 - beta2 = 0.01", Axis::log("step"), Axis::log("bound above the best"), UpperRight, curves),
        panel("the price of a fast Hessian", Axis::log("1 - beta2"), Axis::log("(h + delta) / its best"), UpperLeft, ratios),
        panel("three ways to keep momentum", Axis::log("1 - beta2"), Axis::log("bound above the best"), UpperLeft, transports),
    ];
    let charts: Vec<&dyn Chart> = panels.iter().map(|p| p as &dyn Chart).collect();
    draw_rows("riemannian_momentum", 2, &charts)?;
    Ok(())
}
