//! Regression on a table of numbers, with a Gaussian likelihood whose noise is learned too: predictive log-likelihood and RMSE over posterior samples.
//!
//! `cargo run --release --example regression`. The table is Friedman's first (1991): five columns matter and five do not. Here the noise grows along
//! the first one.

use ivon_runtime::layers::Linear;
use ivon_runtime::noise::Noise;
use ivon_runtime::ops::{gaussian_nll, gelu};
use ivon_runtime::prelude::*;
use ivon_runtime::uncertainty::{Ensemble, Regression, growing};
use std::f64::consts::PI;

const COLUMNS: usize = 10;

/// Mean and log-variance of a number, from a row of the table.
#[variational]
pub struct Regressor<const IN: usize, const WIDTH: usize> {
    one: Linear<IN, WIDTH>,
    two: Linear<WIDTH, WIDTH>,
    mean: Linear<WIDTH, 1>,
    #[parameter(init = zeros)]
    log_variance: Linear<WIDTH, 1>,
}

#[variational]
impl<const IN: usize, const WIDTH: usize> Regressor<IN, WIDTH> {
    pub fn features<B>(&self, x: Tensor<B, IN>) -> Tensor<B, WIDTH> {
        gelu(self.two.forward(gelu(self.one.forward(x))))
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

/// Rows and their targets.
struct Table {
    x: Vec<f32>,
    y: Vec<f64>,
}

/// y = 10 sin(π x₁ x₂) + 20 (x₃ − ½)² + 10 x₄ + 5 x₅ + (½ + x₁) · noise, x uniform on [0, 1].
fn table(seed: u64, rows: usize) -> Table {
    let (mut x, mut noise) = (vec![0f32; rows * COLUMNS], vec![0f32; rows]);
    Noise::of(seed, 0, 0).fill_uniform(0, 0.5, &mut x);
    Noise::of(seed, 1, 0).fill_normals(0, &mut noise);
    x.iter_mut().for_each(|x| *x += 0.5);
    let target = |(row, noise): (&[f32], &f32)| {
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| f64::from(row[i]));
        let truth = 10.0 * (PI * a * b).sin() + 20.0 * (c - 0.5).powi(2) + 10.0 * d + 5.0 * e;
        truth + (0.5 + a) * f64::from(*noise)
    };
    let y = x.chunks(COLUMNS).zip(&noise).map(target).collect();
    Table { x, y }
}

const TRAINING: usize = 200;
const BATCH: usize = 50;
const EPOCHS: usize = 1000;

fn main() -> Result<()> {
    let (training, test) = (table(1, TRAINING), table(2, 1000));
    // The net sees targets of mean 0 and deviation 1.
    let center = training.y.iter().sum::<f64>() / TRAINING as f64;
    let scale = (training.y.iter().map(|y| (y - center).powi(2)).sum::<f64>() / TRAINING as f64).sqrt();

    let model = Regressor::<COLUMNS, 50>::new();
    // A cold posterior, of temperature 1/5: at ess = rows, one that is diagonal is so wide that the net underfits.
    let config = IvonConfig::new(5.0 * TRAINING as f64).hess_init(0.5).beta2(0.9995).weight_decay(1e-3);
    let mut ivon = Ivon::new(&model, config, Settings::default())?;
    let batches = TRAINING / BATCH;
    let schedule = Schedule::cosine(0.1, 0.0, 100, EPOCHS * batches);
    for step in 0..schedule.steps {
        let rows = (step % batches) * BATCH..(step % batches + 1) * BATCH;
        let y: Vec<f32> = training.y[rows.clone()].iter().map(|y| ((y - center) / scale) as f32).collect();
        let x = Tensor::from_slice(&training.x[rows.start * COLUMNS..rows.end * COLUMNS], [BATCH, COLUMNS])?;
        let y = Tensor::from_slice(&y, [BATCH, 1])?;
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, &x, &y))?;
    }

    let x = Tensor::from_slice(&test.x, [test.y.len(), COLUMNS])?;
    let mut ensemble = Ensemble::of(ivon.posterior(), ivon.state().seed())?;
    // Means and variances in the units of the targets.
    let mut predict = |sample, found: &mut Regression| {
        ensemble.visit(sample, |cx, _| {
            let means: Vec<f64> = model.mean(cx, &x)?.to_f64().iter().map(|m| center + scale * m).collect();
            let variances: Vec<f64> = model.log_variance(cx, &x)?.to_f64().iter().map(|v| scale * scale * v.exp()).collect();
            found.add(&means, &variances)
        })
    };
    println!("  samples  log-likelihood    RMSE  noise  deviation of the means");
    let row = |name: &str, found: &Regression| -> Result<()> {
        let s = found.scores()?;
        let (noise, deviation) = (s.aleatoric.sqrt(), s.epistemic.sqrt());
        println!("{name:>9}  {:14.4}  {:6.4}  {noise:5.3}  {deviation:22.3}", s.log_likelihood, s.rmse);
        Ok(())
    };
    let mut at_mean = Regression::new(&test.y)?;
    predict(None, &mut at_mean)?;
    row("mean", &at_mean)?;
    let mut found = Regression::new(&test.y)?;
    for count in growing(64) {
        for k in found.samples()..count {
            predict(Some(k as u32), &mut found)?;
        }
        row(&count.to_string(), &found)?;
    }
    let covered = found.predictions().zip(&test.y).filter(|((mean, deviation), y)| (*y - mean).abs() < 1.96 * deviation).count();
    println!("{:.1} % of the targets lie within 1.96 deviations", 100.0 * covered as f64 / test.y.len() as f64);
    Ok(())
}
