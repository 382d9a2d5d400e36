//! The Hessian estimate of every layer against the exact diagonal of a quadratic loss.
//!
//! A loss mse(layer(x), target) is quadratic in parameters in which the layer is linear, so its Hessian is known. The target is
//! the layer's output at the mean, so that the gradient there is 0. Price's estimate, averaged over S samples, is then (1/S) Σ_s
//! Σ_j H_ij ε_j ε_i, with mean H_ii and variance (H_ii² + Σ_j H_ij²) / S.

use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
use ivon_runtime::ops::mse;
use ivon_runtime::prelude::*;

const SAMPLES: usize = 20_000;

/// The estimate of one update, by parameter name. The update is h' = h + r d + r² d² / (2 (h + delta)) with d = estimate - h and
/// r = 1 - beta2. Solves it for d.
fn estimates<M: Model>(
    model: &M,
    target: impl Fn(&Context) -> Result<Tensor>,
    loss: impl Fn(&Context, &Tensor) -> Result<f64>,
) -> Vec<(String, Vec<f64>)> {
    let (h0, rate) = (1.0, 0.25);
    let config = IvonConfig::new(1e3).hess_init(h0).beta2(1.0 - rate).weight_decay(0.0).samples(SAMPLES);
    let mut ivon = Ivon::new(model, config, Settings::default().seed(5)).unwrap();
    let target = ivon.at_mean(|cx| ivon_runtime::ops::copy(cx, &target(cx)?)).unwrap();
    let target = Tensor::from_slice(target.as_slice::<f32>(), *target.shape()).unwrap();
    // With a learning rate of 0 only h changes.
    ivon.step(0.0, |cx| loss(cx, &target)).unwrap();
    let h = ivon.state().buffer("hessian");
    let solve = |h: &f32| {
        let change = *h as f64 - h0;
        h0 + h0 / rate * ((1.0 + 2.0 * change / h0).sqrt() - 1.0)
    };
    ivon.state()
        .layout()
        .entries()
        .iter()
        .map(|e| (e.parameter.name().to_string(), h[e.range()].iter().map(solve).collect()))
        .collect()
}

/// `exact[i]` is H_ii, `spread[i]` is Σ_j H_ij². The tolerance is five standard errors for each element, and 3 % for the average.
fn compare(name: &str, estimate: &[f64], exact: &[f64], spread: &[f64]) {
    assert_eq!(estimate.len(), exact.len());
    for (i, ((e, h), s)) in estimate.iter().zip(exact).zip(spread).enumerate() {
        let error = ((h * h + s) / SAMPLES as f64).sqrt();
        assert!((e - h).abs() <= 5.0 * error + 1e-5, "{name}[{i}]: {e} where {h} is exact, standard error {error}");
    }
    let (sum, of) = (estimate.iter().sum::<f64>(), exact.iter().sum::<f64>());
    assert!((sum / of - 1.0).abs() < 0.03, "{name}: {sum} in all where {of} is exact");
}

fn input(rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| ((i * 37 + 11) % 29) as f32 / 10.0 - 1.4).collect()
}

#[variational]
struct OneLinear {
    layer: Linear<4, 3>,
}

#[variational]
impl OneLinear {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        self.layer.forward(x)
    }
    fn loss<B>(&self, x: Tensor<B, 4>, y: Tensor<B, 3>) -> Tensor {
        mse(self.forward(x), y)
    }
}

#[test]
fn linear() {
    let (rows, model) = (6, OneLinear::new());
    let values = input(rows, 4);
    let x = Tensor::from_slice(&values, [rows, 4]).unwrap();
    let found = estimates(&model, |cx| model.forward(cx, &x), |cx, y| model.loss_gradient(cx, &x, y));
    // loss = Σ_bo (w_o x_b + c_o - y_bo)² / (rows · 3): H between w_oi and w_oj is 2 / (3 rows) Σ_b x_bi x_bj, with x_b4 = 1 for the bias.
    let at = |b: usize, i: usize| if i < 4 { values[b * 4 + i] as f64 } else { 1.0 };
    let h = |i: usize, j: usize| (0..rows).map(|b| at(b, i) * at(b, j)).sum::<f64>() * 2.0 / (3.0 * rows as f64);
    let spread = |i: usize| (0..5).map(|j| h(i, j).powi(2)).sum::<f64>();
    let weight: Vec<usize> = (0..12).map(|k| k % 4).collect();
    let of = |slots: &[usize], f: &dyn Fn(usize) -> f64| slots.iter().map(|i| f(*i)).collect::<Vec<_>>();
    compare(&found[0].0, &found[0].1, &of(&weight, &|i| h(i, i)), &of(&weight, &spread));
    compare(&found[1].0, &found[1].1, &of(&[4; 3], &|i| h(i, i)), &of(&[4; 3], &spread));
}

#[variational]
struct OneNorm {
    layer: LayerNorm<5>,
}

#[variational]
impl OneNorm {
    fn forward<B>(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        self.layer.forward(x)
    }
    fn loss<B>(&self, x: Tensor<B, 5>, y: Tensor<B, 5>) -> Tensor {
        mse(self.forward(x), y)
    }
}

#[test]
fn layer_norm() {
    let (rows, model) = (7, OneNorm::new());
    let values = input(rows, 5);
    let x = Tensor::from_slice(&values, [rows, 5]).unwrap();
    let found = estimates(&model, |cx| model.forward(cx, &x), |cx, y| model.loss_gradient(cx, &x, y));
    // y = gain · z + bias with normalised z: each gain and bias affects only its own column.
    let z: Vec<f64> = values
        .chunks(5)
        .flat_map(|row| {
            let mean = row.iter().map(|x| *x as f64).sum::<f64>() / 5.0;
            let variance = row.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / 5.0;
            row.iter().map(|x| (*x as f64 - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
        })
        .collect();
    let scale = 2.0 / (5.0 * rows as f64);
    let column = |i: usize, f: fn(f64) -> f64| z.iter().skip(i).step_by(5).map(|z| f(*z)).sum::<f64>() * scale;
    let gain: Vec<f64> = (0..5).map(|i| column(i, |z| z * z)).collect();
    let bias: Vec<f64> = (0..5).map(|i| column(i, |_| 1.0)).collect();
    let cross: Vec<f64> = (0..5).map(|i| column(i, |z| z)).collect();
    let spread = |own: &[f64]| own.iter().zip(&cross).map(|(h, c)| h * h + c * c).collect::<Vec<_>>();
    compare(&found[0].0, &found[0].1, &gain, &spread(&gain));
    compare(&found[1].0, &found[1].1, &bias, &spread(&bias));
}

#[variational]
struct OneEmbedding {
    layer: Embedding<4, 3>,
}

#[variational]
impl OneEmbedding {
    fn look_up<B>(&self, ids: Ids<B>) -> Tensor<B, 3> {
        self.layer.forward(ids)
    }
    fn look_up_loss<B>(&self, ids: Ids<B>, y: Tensor<B, 3>) -> Tensor {
        mse(self.look_up(ids), y)
    }
    fn scores<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 4> {
        self.layer.attend(x)
    }
    fn scores_loss<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 4>) -> Tensor {
        mse(self.scores(x), y)
    }
}

#[test]
fn embedding() {
    let model = OneEmbedding::new();
    let ids = Tensor::from_slice(&[2u32, 0, 2, 2, 1], [5]).unwrap();
    let found = estimates(&model, |cx| model.look_up(cx, &ids), |cx, y| model.look_up_loss_gradient(cx, &ids, y));
    // The weight of row r is the number of its look-ups; row 3 has none.
    let counts = [1.0, 1.0, 3.0, 0.0];
    let exact: Vec<f64> = (0..12).map(|i| 2.0 / 15.0 * counts[i / 3]).collect();
    let spread: Vec<f64> = exact.iter().map(|h| h * h).collect();
    compare(&found[0].0, &found[0].1, &exact, &spread);
}

#[test]
fn tied_head() {
    let (rows, model) = (6, OneEmbedding::new());
    let values = input(rows, 3);
    let x = Tensor::from_slice(&values, [rows, 3]).unwrap();
    let found = estimates(&model, |cx| model.scores(cx, &x), |cx, y| model.scores_loss_gradient(cx, &x, y));
    let h = |i: usize, j: usize| values.chunks(3).map(|x| x[i] as f64 * x[j] as f64).sum::<f64>() * 2.0 / (4.0 * rows as f64);
    let exact: Vec<f64> = (0..12).map(|k| h(k % 3, k % 3)).collect();
    let spread: Vec<f64> = (0..12).map(|k| (0..3).map(|j| h(k % 3, j).powi(2)).sum()).collect();
    compare(&found[0].0, &found[0].1, &exact, &spread);
}
