//! Experiment 1, a convex problem: IVON behaves like Newton and Adam where it should, and where it does not, why.
//!
//! `cargo run --release --example convex`

mod shared;

use ivon_runtime::blr::{Descent, Expectation, Loss, Precision, Vector};
use plotters::chart::SeriesLabelPosition;
use shared::data::logistic_regression;
use shared::figure::{Axis, Panel, Series, Style, draw};
use shared::scale::steps;
use std::error::Error;

const EXAMPLES: usize = 400;
const FEATURES: usize = 10;
/// Weight decay δ, in the loss of all that are compared.
const DECAY: f64 = 1e-3;
const STEPS: u32 = 3000;

/// ℓ(θ) + ½ δ ‖θ‖².
fn objective(loss: &dyn Loss, theta: &Vector) -> f64 {
    loss.value(theta) + 0.5 * DECAY * theta.norm_squared()
}

/// The optimizers at the best of a few learning rates each.
fn contestants(ess: f64) -> Vec<(String, Vec<Descent>)> {
    let zero = || Vector::zeros(FEATURES);
    let rates = |rates: &[f64], make: &dyn Fn(f64) -> Descent| -> Vec<Descent> {
        rates.iter().map(|rate| Descent { weight_decay: DECAY, ..make(*rate) }).collect()
    };
    let ivon = |ess: f64| {
        move |rate: f64| Descent {
            hessian_rate: 0.01,
            expectation: Expectation::MonteCarlo { samples: 1, seed: 5 },
            rescale: None,
            ..Descent::ivon(zero(), 1.0, rate, ess)
        }
    };
    let diagonal = |rate| Descent {
        expectation: Expectation::AtMean,
        hessian_rate: 0.1,
        ..Descent::exact(zero(), Precision::Diagonal(Vector::from_element(FEATURES, 1.0)), rate)
    };
    let exact = |rate| Descent { ess, ..Descent::exact(zero(), Precision::Diagonal(Vector::from_element(FEATURES, 1.0)), rate) };
    vec![
        (
            "gradient descent".into(),
            rates(&[1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0], &|r| Descent::gradient_descent(zero(), r)),
        ),
        ("Newton".into(), rates(&[1.0], &|_| Descent::newton(zero()))),
        ("diagonal online Newton".into(), rates(&[0.03, 0.1, 0.3, 0.6], &diagonal)),
        ("Adam".into(), rates(&[1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3], &|r| Descent::adam(zero(), r, 0.9, 0.999, 1e-8))),
        (format!("exact rule, ess = {ess}"), rates(&[0.03, 0.1, 0.3], &exact)),
        (format!("IVON, ess = {ess}"), rates(&[0.01, 0.03, 0.1, 0.3], &ivon(ess))),
        (format!("IVON, ess = {}", 100.0 * ess), rates(&[0.01, 0.03, 0.1, 0.3], &ivon(100.0 * ess))),
    ]
}

/// A run: the excess of the objective at the mean before each step, and the optimizer after the last.
struct Run {
    name: String,
    rate: f64,
    excess: Vec<f64>,
    end: Descent,
}

impl Run {
    /// Steps until the excess is below `limit` for good, if ever.
    fn steps_to(&self, limit: f64) -> Option<usize> {
        let after = self.excess.iter().rposition(|e| *e >= limit).map_or(0, |last| last + 1);
        (after < self.excess.len()).then_some(after)
    }

    fn last(&self) -> f64 {
        let tail = &self.excess[self.excess.len().saturating_sub(100)..];
        tail.iter().sum::<f64>() / tail.len() as f64
    }
}

/// Runs one optimizer with its rate constant, then falling linearly over the last half (but for Newton, which has none).
fn run(name: &str, mut descent: Descent, loss: &dyn Loss, best: f64) -> Option<Run> {
    let rate = descent.rate;
    let mut excess = Vec::new();
    let steps = steps(STEPS as usize) as u32;
    for t in 0..steps {
        excess.push((objective(loss, &descent.mean) - best).max(1e-16));
        if name != "Newton" {
            descent.rate = rate * (2.0 * f64::from(steps - t) / f64::from(steps)).min(1.0);
        }
        descent.step(loss).ok()?;
    }
    Some(Run { name: name.to_string(), rate, excess, end: descent })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut panels = Vec::new();
    let mut bars = Vec::new();
    for (spread, title) in [(1.0, "features of one scale"), (100.0, "scales from 1 to 100")] {
        let loss = logistic_regression(EXAMPLES, FEATURES, spread)?;
        let mut newton = Descent { weight_decay: DECAY, ..Descent::newton(Vector::zeros(FEATURES)) };
        for _ in 0..50 {
            newton.step(&loss)?;
        }
        let best = objective(&loss, &newton.mean);

        println!("\n{title}: best objective {best:.6}");
        println!("{:<24} {:>7} {:>16} {:>16} {:>12}", "", "rate", "steps to 1e-2", "steps to 1e-4", "at the end");
        let mut series = Vec::new();
        for (color, (name, variants)) in contestants(EXAMPLES as f64).into_iter().enumerate() {
            let runs = variants.into_iter().filter_map(|descent| run(&name, descent, &loss, best));
            let score = |r: &Run| r.steps_to(1e-2).unwrap_or(usize::MAX);
            let Some(chosen) = runs.min_by(|a, b| score(a).cmp(&score(b)).then(a.last().total_cmp(&b.last()))) else {
                println!("{name:<24} no rate works");
                continue;
            };
            let show = |steps: Option<usize>| steps.map_or("never".to_string(), |s| s.to_string());
            println!(
                "{:<24} {:>7} {:>16} {:>16} {:>12.1e}",
                chosen.name,
                chosen.rate,
                show(chosen.steps_to(1e-2)),
                show(chosen.steps_to(1e-4)),
                chosen.last()
            );
            if spread > 1.0 {
                bars.extend(denominators(&chosen, &loss, color));
            }
            let points = chosen.excess.iter().enumerate().map(|(t, e)| ((t + 1) as f64, e.max(1e-9))).collect();
            series.push(Series { label: chosen.name, color, style: Style::Line, points });
        }
        let (x, y) = (Axis::log("step"), Axis::log("objective above the best"));
        panels.push(Panel { title, x, y, legend: SeriesLabelPosition::LowerLeft, series });
    }
    panels.push(Panel {
        title: "what divides the step, at the end",
        x: Axis::log("diagonal of the Hessian + weight decay"),
        y: Axis::log("denominator"),
        legend: SeriesLabelPosition::UpperLeft,
        series: bars,
    });
    draw("convex", &panels)?;
    Ok(())
}

/// The denominator of each parameter against the true diagonal of the Hessian, for the diagonal methods.
fn denominators(run: &Run, loss: &dyn Loss, color: usize) -> Option<Series> {
    let Precision::Diagonal(h) = &run.end.hessian else { return None };
    let shift = DECAY + run.end.damping;
    let divides = |h: f64| if run.end.root { h.sqrt() } else { h } + shift;
    let truth = loss.hessian(&run.end.mean).diagonal();
    let points = truth.iter().zip(h).map(|(truth, h)| (truth + DECAY, divides(*h))).collect();
    Some(Series { label: run.name.clone(), color, style: Style::Points, points })
}
