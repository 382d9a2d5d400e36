//! Predicts how the result changes when an example is left out, from the posterior alone.

use super::regression::{column, mean_and_deviation};
use super::shared::data::normals;
use super::shared::figure::{Axis, Panel, Series, Style};
use super::shared::net::{Regressor, copy};
use super::shared::scale;
use ivon_runtime::blr::{Expectation, FullGaussian, Gaussian, LinearRegression, Matrix, Surrogate, Vector, conjugate};
use ivon_runtime::prelude::*;
use plotters::chart::SeriesLabelPosition;
use std::error::Error;

const EXAMPLES: usize = 60;
const HIDDEN: usize = 8;
/// Standard deviation of the noise in y, which the model knows.
const NOISE: f64 = 0.2;
/// Steps of training, and of going on without an example.
const STEPS: usize = 20_000;
const MORE: usize = 6000;

/// x from −3 to 3 and y.
fn data() -> (Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = (0..EXAMPLES).map(|i| 6.0 * ((i as f64 + 0.5) / EXAMPLES as f64) - 3.0).collect();
    let y = x.iter().zip(&normals(61, EXAMPLES)).map(|(x, e)| (1.5 * x).sin() + NOISE * e).collect();
    (x, y)
}

/// The net, trained on all examples at once.
fn trained(x: &[f64], y: &[f64]) -> Result<(Regressor, Ivon)> {
    let mut model = Regressor::<HIDDEN>::new();
    model.precision = NOISE.powi(-2);
    let config = IvonConfig::new(x.len() as f64).hess_init(10.0).beta2(0.999).samples(2);
    let mut ivon = Ivon::new(&model, config, Settings::default().seed(1))?;
    let schedule = Schedule::cosine(0.01, 0.0, 200, STEPS);
    let (x, y) = (column(x)?, column(y)?);
    for step in 0..scale::steps(STEPS) {
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, &x, &y))?;
    }
    Ok((model, ivon))
}

/// Linear regression: the posterior without example i, by taking its natural gradient away, against one from the others. The
/// largest difference of means, over all i.
fn exact() -> std::result::Result<f64, Box<dyn Error>> {
    let (n, d) = (50, 5);
    let x = Matrix::from_column_slice(n, d, normals(51, n * d).as_slice());
    let y = &x * normals(52, d) + normals(53, n) * 0.5;
    let all = LinearRegression::new(x, y, 0.25)?;
    let prior = FullGaussian::new(Vector::zeros(d), Matrix::identity(d, d))?;
    let rows: Vec<usize> = (0..n).collect();
    let site = |rows: &[usize]| -> ivon_runtime::Result<Vector> {
        Ok(Surrogate::new(&all.subset(rows)?, rows.len() as f64, &prior, Expectation::Exact)?.natural())
    };
    let posterior = conjugate::posterior(&prior, [site(&rows)?])?;
    let mut worst: f64 = 0.0;
    for i in 0..n {
        let without: Vec<usize> = rows.iter().copied().filter(|r| *r != i).collect();
        let removed = conjugate::posterior(&posterior, [-site(&[i])?])?;
        let retrained = conjugate::posterior(&prior, [site(&without)?])?;
        worst = worst.max((removed.mean() - retrained.mean()).amax());
    }
    Ok(worst)
}

/// Goes on from `start` for [`MORE`] steps at a falling rate, without example `left_out` if there is one; the mean's f at all x, averaged over the
/// last half of the steps.
fn go_on(model: &Regressor, start: &Ivon, x: &[f64], y: &[f64], left_out: Option<usize>) -> Result<Vec<f64>> {
    let keep = |values: &[f64]| -> Vec<f64> {
        values.iter().enumerate().filter(|(i, _)| Some(*i) != left_out).map(|(_, v)| *v).collect()
    };
    let (kept_x, kept_y) = (column(&keep(x))?, column(&keep(y))?);
    let steps = scale::steps(MORE);
    let ess = kept_x.dim(0) as f64;
    let mut ivon = Ivon::new(model, start.config().clone().ess(ess), Settings::default().seed(1))?;
    copy(start, &mut ivon)?;
    let all = column(x)?;
    let mut sum = vec![0.0; x.len()];
    for step in 0..steps {
        let rate = 0.01 * (1.0 - step as f64 / steps as f64);
        ivon.step(rate, |cx| model.loss_gradient(cx, &kept_x, &kept_y))?;
        if step >= steps / 2 && step % 10 == 0 {
            let f = ivon.at_mean(|cx| Ok(model.forward(cx, &all)?.to_f64()))?;
            sum.iter_mut().zip(f).for_each(|(s, f)| *s += f);
        }
    }
    let count = (steps / 2..steps).filter(|s| s % 10 == 0).count() as f64;
    Ok(sum.into_iter().map(|s| s / count).collect())
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |f: &dyn Fn(usize) -> f64| (0..a.len()).map(f).sum::<f64>();
    dot(&|i| (a[i] - ma) * (b[i] - mb)) / (dot(&|i| (a[i] - ma).powi(2)) * dot(&|i| (b[i] - mb).powi(2))).sqrt()
}

/// The ranks of values, from 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, i)| ranks[i] = rank as f64);
    ranks
}

/// Predicted against real change of f at each example when it is left out.
pub fn scatter() -> std::result::Result<Panel, Box<dyn Error>> {
    println!("\nleaving one out");
    println!("  linear regression, prediction against retraining: largest difference {:.0e}", exact()?);

    let (x, y) = data();
    let (model, mut ivon) = trained(&x, &y)?;
    let inputs = column(&x)?;
    let found: Vec<Vec<f64>> =
        (0..1000).map(|k| ivon.at_sample(k, |cx| Ok(model.forward(cx, &inputs)?.to_f64()))).collect::<Result<_>>()?;
    let with_all = go_on(&model, &ivon, &x, &y, None)?;
    let (mut predicted, mut real) = (Vec::new(), Vec::new());
    let (mut gap_predicted, mut gap_real) = (0.0, 0.0);
    for i in 0..x.len() {
        // The memory-perturbation equation: f without i − f = Var[f] · (f − y) / σ².
        let (_, deviation) = mean_and_deviation(&found, i);
        let error = with_all[i] - y[i];
        predicted.push((deviation / NOISE).powi(2) * error);
        real.push(go_on(&model, &ivon, &x, &y, Some(i))?[i] - with_all[i]);
        let loss = |change: f64| 0.5 * ((error + change) / NOISE).powi(2);
        gap_predicted += (loss(predicted[i]) - loss(0.0)) / x.len() as f64;
        gap_real += (loss(real[i]) - loss(0.0)) / x.len() as f64;
    }
    println!(
        "  small net, {} retrainings: correlation of the change of f {:.2}, of ranks {:.2}",
        x.len(),
        correlation(&predicted, &real),
        correlation(&ranks(&predicted), &ranks(&real))
    );
    println!("  generalisation gap (nats): predicted {gap_predicted:.3}, by leaving each out {gap_real:.3}");

    let slope = predicted.iter().zip(&real).map(|(p, r)| p * r).sum::<f64>() / predicted.iter().map(|p| p * p).sum::<f64>();
    println!("  a change is {slope:.2} of what is predicted");
    let fresh: Vec<f64> = (0..400).map(|i| 6.0 * ((f64::from(i) + 0.5) / 400.0) - 3.0).collect();
    let (at_fresh, noise) = (column(&fresh)?, normals(62, 400));
    let f = ivon.at_mean(|cx| Ok(model.forward(cx, &at_fresh)?.to_f64()))?;
    let errors = f.iter().zip(&fresh).zip(&noise).map(|((f, x), e)| f - (1.5 * x).sin() - NOISE * e);
    let fresh_loss = errors.map(|e| 0.5 * (e / NOISE).powi(2)).sum::<f64>() / 400.0;
    let loss = with_all.iter().zip(&y).map(|(f, y)| 0.5 * ((f - y) / NOISE).powi(2)).sum::<f64>() / x.len() as f64;
    println!("  loss on the examples {loss:.3}, on 400 others {fresh_loss:.3}");

    let edge = predicted.iter().chain(&real).fold(0.0, |m: f64, v| m.max(v.abs()));
    Ok(Panel {
        title: "change of f(x) when its example is left out",
        x: Axis::linear("predicted from the posterior"),
        y: Axis::linear("by retraining"),
        legend: SeriesLabelPosition::UpperLeft,
        series: vec![
            Series { label: "equal".into(), color: 6, style: Style::Dashed, points: vec![(-edge, -edge), (edge, edge)] },
            Series {
                label: "an example".into(),
                color: 0,
                style: Style::Points,
                points: predicted.into_iter().zip(real).collect(),
            },
        ],
    })
}
