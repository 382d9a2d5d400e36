use super::*;
use crate::core::dtype::DType;
use crate::core::error::Error;
use crate::optimizers::{AdamW, AdamWConfig, Ivon, IvonConfig, Settings, Statistics};
use crate::tensor::parameter::{Builder, Model, Options, Parameter};

/// Linear regression y = w · x with unit noise: loss is the mean of ½ (w · x − y)².
struct Regression(Parameter);

const WIDTH: usize = 3;
const TRUTH: [f64; WIDTH] = [1.0, -2.0, 0.5];

impl Regression {
    fn new() -> Self {
        Regression(Builder::new().parameter("weight", [WIDTH], Options::default()))
    }

    /// Example `i`: x, y.
    fn example(i: usize) -> ([f64; WIDTH], f64) {
        let t = i as f64;
        let x = [(t * 0.9).sin(), (t * 1.7).cos(), (t * 2.3).sin()];
        (x, x.iter().zip(TRUTH).map(|(x, w)| x * w).sum())
    }

    fn residual(w: &[f64], i: usize) -> ([f64; WIDTH], f64) {
        let (x, y) = Regression::example(i);
        (x, w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() - y)
    }

    fn gradient(&self, cx: &Context, examples: std::ops::Range<usize>) -> Result<f64> {
        let w = cx.sample(&self.0)?.to_f64();
        let n = examples.len() as f64;
        let (mut loss, mut gradient) = (0.0, [0.0; WIDTH]);
        for i in examples {
            let (x, r) = Regression::residual(&w, i);
            loss += 0.5 * r * r / n;
            (0..WIDTH).for_each(|k| gradient[k] += r * x[k] / n * cx.loss_scale());
        }
        let mut adjoint = cx.gradient(&self.0)?;
        if let Some((target, _)) = adjoint.target(cx, [WIDTH])? {
            target.as_mut_slice::<f32>().iter_mut().zip(gradient).for_each(|(t, g)| *t += g as f32);
        }
        Ok(loss)
    }

    fn validate(&self, cx: &Context) -> Result<Vec<f64>> {
        let w = cx.sample(&self.0)?.to_f64();
        let likelihood = |i| -0.5 * Regression::residual(&w, i).1.powi(2) - 0.5 * (2.0 * std::f64::consts::PI).ln();
        Ok((1000..1050).map(likelihood).collect())
    }
}

impl Model for Regression {
    const NAME: &'static str = "Regression";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        visit(&self.0);
    }
}

fn trainer(steps: usize) -> Trainer {
    Trainer { evaluate_every: 50, samples: 8, examples: 16, ..Trainer::new(Schedule::cosine(0.3, 0.0, 10, steps)) }
}

fn ivon(model: &Regression) -> Ivon {
    let config = IvonConfig { beta2: 0.99, weight_decay: 0.0, ..IvonConfig::new(1000.0) };
    Ivon::new(model, config, Settings { micro_batches: 2, ..Settings::default() }).unwrap()
}

fn train(model: &Regression, optimizer: &mut dyn Optimizer, trainer: &Trainer, progress: &mut dyn Progress) -> Result<Summary> {
    let batch = |at: At| (16 * at.step + 8 * at.micro_batch)..(16 * at.step + 8 * at.micro_batch + 8);
    trainer.run(optimizer, |cx, at| model.gradient(cx, batch(at)), |cx| model.validate(cx), progress)
}

#[test]
fn regression_is_learnt_and_its_uncertainty_too() {
    let model = Regression::new();
    let mut optimizer = ivon(&model);
    let mut text = vec![];
    let summary = train(&model, &mut optimizer, &trainer(200), &mut Lines::every(100, &mut text)).unwrap();
    let entropy = 0.5 * (2.0 * std::f64::consts::PI).ln();
    assert_eq!((summary.steps, summary.stopped, summary.evaluation.examples, summary.evaluation.samples), (200, false, 50, 8));
    assert!((summary.evaluation.mean - entropy).abs() < 1e-3, "{summary:?}");
    assert!((summary.evaluation.posterior - entropy).abs() < 1e-2 && summary.evaluation.posterior != summary.evaluation.mean);
    // The Hessian of the mean loss is the mean of x², a half: sigma = 1 / sqrt(1000 · ½).
    let Statistics { sigma_mean, .. } = optimizer.statistics().unwrap();
    assert!((sigma_mean * (1000.0f64 * 0.5).sqrt() - 1.0).abs() < 0.1, "{sigma_mean}");
    let text = String::from_utf8(text).unwrap();
    let starts =
        ["step   1/200  loss", "step 50  validation", "step 100/200", "step 100  validation", "step 150  v", "step 200/200"];
    for (line, start) in text.lines().zip(starts) {
        assert!(line.starts_with(start), "`{start}` is expected: {text}");
    }
    assert!(text.trim_end().ends_with("over 8 samples"), "{text}");
}

#[test]
fn a_run_goes_on_where_it_was_stopped() {
    struct StopAt(usize);
    impl Progress for StopAt {
        fn step(&mut self, report: &Report, _: &dyn Optimizer) -> Result<ControlFlow<()>> {
            Ok(if report.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        }
        fn evaluation(&mut self, _: usize, _: &Evaluation, _: &dyn Optimizer) -> Result<()> {
            Ok(())
        }
    }
    let model = Regression::new();
    let (mut straight, mut stopped) = (ivon(&model), ivon(&model));
    train(&model, &mut straight, &trainer(60), &mut ()).unwrap();
    let summary = train(&model, &mut stopped, &trainer(60), &mut StopAt(23)).unwrap();
    assert_eq!((summary.steps, summary.stopped), (23, true));
    train(&model, &mut stopped, &trainer(60), &mut ()).unwrap();
    assert_eq!(straight.state().unpadded("mean"), stopped.state().unpadded("mean"));
    assert_eq!(straight.state().unpadded("hessian"), stopped.state().unpadded("hessian"));
}

#[test]
fn an_optimizer_without_a_posterior_is_evaluated_at_its_weights() {
    let model = Regression::new();
    let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings { dtype: DType::F32, ..Settings::default() }).unwrap();
    let summary = train(&model, &mut adamw, &trainer(200), &mut ()).unwrap();
    assert_eq!(summary.evaluation.samples, 0);
    assert_eq!(summary.evaluation.posterior, summary.evaluation.mean);
}

#[test]
fn the_average_over_samples_is_one_of_probabilities() {
    let model = Regression::new();
    let mut optimizer = ivon(&model);
    let found = evaluate(&mut optimizer, 4, &mut |cx| model.validate(cx).map(Into::into)).unwrap();
    let each: Vec<Vec<f64>> = (0..4).map(|k| optimizer.at_sample(k, |cx| model.validate(cx)).unwrap()).collect();
    let average = |i: usize| (each.iter().map(|e| e[i].exp()).sum::<f64>() / 4.0).ln();
    let expected = -(0..50).map(average).sum::<f64>() / 50.0;
    assert!((found.posterior - expected).abs() < 1e-12);
}

#[test]
fn errors_of_the_data_reach_the_caller() {
    let model = Regression::new();
    let mut optimizer = ivon(&model);
    let fails = |_: &Context, _: At| Err(Error::config("no data"));
    assert_eq!(trainer(5).run(&mut optimizer, fails, |_| Ok(vec![]), &mut ()), Err(Error::config("no data")));
}

#[test]
fn the_accuracy_over_samples_is_that_of_the_averaged_probabilities() {
    let model = Regression::new();
    let mut optimizer = ivon(&model);
    let calls = std::cell::Cell::new(0);
    // At the mean, and at three samples: probabilities of two classes for two examples, of which the first is of class 0 and the second of class 1.
    let rows = [[[0.4, 0.6], [0.1, 0.9]], [[0.45, 0.55], [0.6, 0.4]], [[0.45, 0.55], [0.6, 0.4]], [[0.9, 0.1], [0.7, 0.3]]];
    let found = evaluate(&mut optimizer, 3, &mut |_| {
        let row: Vec<f64> = rows[calls.replace(calls.get() + 1)].concat();
        Ok(Predictions::Classes { log_probabilities: row.into_iter().map(f64::ln).collect(), labels: vec![0, 1] })
    });
    let found = found.unwrap();
    assert_eq!((found.accuracy, found.accuracy_posterior, found.examples), (Some(0.5), Some(0.5), 2));
    assert!((found.mean + (0.4f64.ln() + 0.9f64.ln()) / 2.0).abs() < 1e-12);
    // On the average the first is right, by the one sample that is sure, and the second is wrong.
    assert!((found.posterior + (0.6f64.ln() + (1.1f64 / 3.0).ln()) / 2.0).abs() < 1e-12);
    let classes = |labels| Predictions::Classes { log_probabilities: vec![-1.0; 4], labels };
    for labels in [vec![0, 2], vec![0, 0, 0]] {
        assert!(evaluate(&mut optimizer, 0, &mut |_| Ok(classes(labels.clone()))).is_err());
    }
}

#[test]
fn samples_that_are_much_worse_than_the_mean_are_warned_of() {
    let model = Regression::new();
    let text = |ess: f64| {
        let config = IvonConfig { beta2: 0.99, weight_decay: 0.0, ..IvonConfig::new(ess) };
        let mut optimizer = Ivon::new(&model, config, Settings { micro_batches: 2, ..Settings::default() }).unwrap();
        let mut text = vec![];
        train(&model, &mut optimizer, &trainer(200), &mut Lines::every(100, &mut text)).unwrap();
        String::from_utf8(text).unwrap()
    };
    let (calm, noisy) = (text(1000.0), text(1.0));
    assert!(!calm.contains("too noisy"), "{calm}");
    assert!(noisy.contains("too noisy") && noisy.contains("Raise ess"), "{noisy}");
}
