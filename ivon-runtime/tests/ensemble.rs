//! Predictions of one or several posteriors of an annotated classifier, in batches.

use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;
use ivon_runtime::uncertainty::{Classification, Ensemble};

#[variational]
pub struct Classifier<const WIDTH: usize> {
    one: Linear<3, WIDTH>,
    two: Linear<WIDTH, 4>,
}

#[variational]
impl<const WIDTH: usize> Classifier<WIDTH> {
    pub fn logits<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 4> {
        self.two.forward(tanh(self.one.forward(x)))
    }
}

fn ivon(model: &Classifier, seed: u64) -> Ivon {
    let config = IvonConfig::new(20.0).hess_init(0.5);
    Ivon::new(model, config, Settings::default().seed(seed)).unwrap()
}

const ROWS: usize = 10;

fn examples() -> (Vec<f32>, Vec<u32>) {
    ((0..3 * ROWS).map(|i| (i as f32 * 0.7).sin()).collect(), (0..ROWS as u32).map(|i| i % 4).collect())
}

/// Evaluates the examples in batches of `rows`, with members of the same model.
fn evaluate(model: &Classifier, members: &[&Ivon], samples: &[usize], rows: usize) -> Classification {
    let mut ensemble = Ensemble::new(Device::Cpu, DType::F32);
    members.iter().for_each(|m| ensemble.add(m.posterior(), m.state().seed()).unwrap());
    let (x, labels) = examples();
    let mut found = Classification::new(samples).unwrap();
    for (x, labels) in x.chunks(3 * rows).zip(labels.chunks(rows)) {
        let x = Tensor::from_slice(x, [labels.len(), 3]).unwrap();
        found.add(&mut ensemble, Some(labels), |cx, _| model.logits(cx, &x)).unwrap();
    }
    found
}

/// log p of the labels, averaged over `samples` samples.
fn log_likelihoods(model: &Classifier, ivon: &Ivon, samples: usize) -> Vec<f64> {
    let (x, labels) = examples();
    let x = Tensor::from_slice(&x, [ROWS, 3]).unwrap();
    let average = ivon.posterior().predict(samples, ivon.state().seed(), |cx| model.logits(cx, &x)).unwrap();
    let all: Vec<f64> = average.log_probabilities().collect();
    labels.iter().enumerate().map(|(i, y)| all[4 * i + *y as usize]).collect()
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
}

#[test]
fn growing_numbers_of_samples_are_prefixes_of_the_samples_that_the_posterior_draws() {
    let model = Classifier::<8>::new();
    let ivon = ivon(&model, 3);
    let found = evaluate(&model, &[&ivon], &[1, 4, 6], ROWS);
    assert_eq!(found.counts().collect::<Vec<_>>(), [1, 4, 6]);
    for samples in [1, 4, 6] {
        assert!(close(&found.samples(samples).log_likelihood, &log_likelihoods(&model, &ivon, samples)));
    }
    assert_eq!(found.samples(5), found.samples(4));
    assert_eq!(found.most(), found.samples(6));
    assert_eq!(found.classes(), Some(4));
}

#[test]
fn batches_do_not_change_what_is_found() {
    let model = Classifier::<8>::new();
    let ivon = ivon(&model, 3);
    let (whole, parts) = (evaluate(&model, &[&ivon], &[1, 3], ROWS), evaluate(&model, &[&ivon], &[1, 3], 4));
    assert_eq!((whole.mean(), whole.most()), (parts.mean(), parts.most()));
}

#[test]
fn members_are_averaged_with_equal_weights() {
    let model = Classifier::<8>::new();
    let (a, b) = (ivon(&model, 3), ivon(&model, 4));
    let found = evaluate(&model, &[&a, &b], &[5], ROWS);
    let (of_a, of_b) = (log_likelihoods(&model, &a, 5), log_likelihoods(&model, &b, 5));
    let expected: Vec<f64> = of_a.iter().zip(&of_b).map(|(a, b)| ((a.exp() + b.exp()) / 2.0).ln()).collect();
    assert!(close(&found.most().log_likelihood, &expected));
    assert!(found.mean().epistemic().all(|e| e > 0.0), "two means disagree");
}

#[test]
fn a_point_has_no_samples_and_no_epistemic_part() {
    let model = Classifier::<8>::new();
    let adam = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    let mut ensemble = Ensemble::of(adam.posterior(), 1).unwrap();
    assert!(ensemble.is_point());
    let (x, labels) = examples();
    let x = Tensor::from_slice(&x, [ROWS, 3]).unwrap();
    let mut found = Classification::new(&[1, 4]).unwrap();
    found.add(&mut ensemble, Some(&labels), |cx, _| model.logits(cx, &x)).unwrap();
    assert_eq!(found.counts().count(), 0);
    assert_eq!(found.most(), found.mean());
    assert!(found.mean().epistemic().all(|e| e.abs() < 1e-12));
    assert_eq!(found.mean().scores().unwrap().examples, ROWS);
}

#[test]
fn what_does_not_go_together_is_refused() {
    assert!(Classification::new(&[0, 1]).is_err() && Classification::new(&[4, 1]).is_err() && Classification::new(&[]).is_ok());
    let model = Classifier::<8>::new();
    let ivon = ivon(&model, 3);
    let mut ensemble = Ensemble::of(ivon.posterior(), 3).unwrap();
    let x = Tensor::from_slice(&examples().0, [ROWS, 3]).unwrap();
    let mut found = Classification::new(&[1]).unwrap();
    let error = found.add(&mut ensemble, Some(&[0, 1]), |cx, _| model.logits(cx, &x)).unwrap_err().to_string();
    assert!(error.contains("2 labels for 10 rows"), "{error}");
    let error = found.add(&mut ensemble, None, |_, _| Tensor::from_slice(&[0f32; 6], [2, 3])).unwrap_err().to_string();
    assert!(error.contains("3 classes, those before of 4"), "{error}");
    assert!(found.mean().is_empty(), "nothing of a batch that failed is kept");
    let nobody = &mut Ensemble::new(Device::Cpu, DType::F32);
    assert!(found.add(nobody, None, |cx, _| model.logits(cx, &x)).unwrap_err().to_string().contains("no posterior"));
}
