//! Buffers of a model in training: they have names, every pass of a step updates them, evaluation reads them, and a failed step
//! restores them.

use ivon_runtime::layers::{BatchNorm2d, Linear};
use ivon_runtime::ops::mse;
use ivon_runtime::optimizers::SamplePer;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model<const C: usize> {
    #[parameter(gain.init = constant(0.5), bias.frozen, weight_decay = 0.1)]
    norms: [BatchNorm2d<C>; 2],
    #[parameter(weight.weight_decay = 0.2, init = ones)]
    up: Linear<C, C>,
}

#[variational]
impl<const C: usize> Model<C> {
    pub fn forward<B>(&self, x: Tensor<B, C>) -> Tensor<B, C> {
        let mut y = x.reshape([B, 1, 1, C]);
        for norm in &self.norms {
            y = norm.forward(y);
        }
        self.up.forward(y.reshape([B, C]))
    }

    pub fn loss<B>(&self, x: Tensor<B, C>) -> Tensor {
        mse(self.forward(x), x)
    }
}

fn batch() -> Tensor {
    Tensor::from_slice(&[1.0f32, 5.0, 3.0, -1.0, 2.0, 2.0], [3, 2]).unwrap()
}

/// The mean of each column of `batch`.
const MEANS: [f64; 2] = [2.0, 2.0];

fn first_mean(optimizer: &dyn Optimizer) -> [f32; 2] {
    let state = optimizer.state();
    let range = state.running_layout().entries()[0].range();
    state.running_statistics()[range].try_into().unwrap()
}

fn settings(micro_batches: usize) -> Settings {
    Settings::default().micro_batches(micro_batches)
}

#[test]
fn buffers_have_paths_shapes_and_starts() {
    let model = Model::<2>::new();
    let found: Vec<_> = model.buffers().iter().map(|b| (b.name().to_string(), b.shape().to_vec(), b.init())).collect();
    let expected = [
        ("norms.0.running_mean", Init::Zeros),
        ("norms.0.running_variance", Init::Ones),
        ("norms.1.running_mean", Init::Zeros),
        ("norms.1.running_variance", Init::Ones),
    ];
    assert_eq!(found, expected.map(|(name, init)| (name.to_string(), vec![2], init)));
    let optimizer = Sgd::new(&model, SgdConfig::default(), settings(1)).unwrap();
    let values = optimizer.state().running_layout().entries().iter().map(|e| optimizer.state().running_statistics()[e.offset]);
    assert_eq!(values.collect::<Vec<_>>(), [0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn an_attribute_reaches_one_parameter_of_a_layer_or_all() {
    let model = Model::<2>::new();
    let of = |name: &str| {
        let p = model.parameters().into_iter().find(|p| p.name() == name).unwrap();
        (p.init(), p.weight_decay(), p.frozen())
    };
    for i in 0..2 {
        assert_eq!(of(&format!("norms.{i}.gain")), (Init::Constant(0.5), Some(0.1), false));
        assert_eq!(of(&format!("norms.{i}.bias")), (Init::Zeros, Some(0.1), true));
    }
    assert_eq!(of("up.weight"), (Init::Ones, Some(0.2), false));
    assert_eq!(of("up.bias"), (Init::Zeros, None, false)); // `init` of a whole layer applies to its matrices
}

/// Each pass moves the running mean by a tenth of the distance: every micro-batch of every sample.
#[test]
fn every_pass_of_a_step_moves_the_running_statistics() {
    let model = Model::<2>::new();
    let after = |optimizer: &mut dyn Optimizer, passes: i32| {
        optimizer.step_in_parts(0.0, &mut |cx, _| model.loss_gradient(cx, &batch())).unwrap();
        for (found, mean) in first_mean(optimizer).iter().zip(MEANS) {
            let expected = mean * (1.0 - 0.9f64.powi(passes));
            assert!((*found as f64 - expected).abs() < 1e-6, "{found} is not {expected} after {passes} passes");
        }
    };
    after(&mut Sgd::new(&model, SgdConfig::default(), settings(1)).unwrap(), 1);
    after(&mut Sgd::new(&model, SgdConfig::default(), settings(3)).unwrap(), 3);
    let samples = |samples, sample_per| IvonConfig::new(1e6).samples(samples).sample_per(sample_per);
    after(&mut Ivon::new(&model, samples(2, SamplePer::Update), settings(2)).unwrap(), 4);
    after(&mut Ivon::new(&model, samples(1, SamplePer::MicroBatch), settings(3)).unwrap(), 3);
}

#[test]
fn a_step_that_fails_leaves_the_running_statistics_as_they_were() {
    let model = Model::<2>::new();
    let check = |optimizer: &mut dyn Optimizer| {
        optimizer.step_in_parts(0.1, &mut |cx, _| model.loss_gradient(cx, &batch())).unwrap();
        let before = optimizer.state().running_statistics().to_vec();
        let mut fails = |cx: &Context, part: usize| {
            model.loss_gradient(cx, &batch())?;
            if part == 0 { Ok(1.0) } else { Err(Error::config("the data ran out")) }
        };
        optimizer.step_in_parts(0.1, &mut fails).unwrap_err();
        assert_eq!(optimizer.state().running_statistics(), before);
        optimizer.step_in_parts(0.1, &mut |cx, _| model.loss_gradient(cx, &batch())).unwrap();
        assert!(optimizer.state().running_statistics() != before);
    };
    check(&mut Sgd::new(&model, SgdConfig::default(), settings(2)).unwrap());
    check(&mut Ivon::new(&model, IvonConfig::new(1e6).samples(2), settings(2)).unwrap());
}

#[test]
fn evaluation_and_predictions_read_the_running_statistics_and_leave_them() {
    let model = Model::<2>::new();
    let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), settings(1)).unwrap();
    (0..3).for_each(|_| {
        ivon.step(0.1, |cx| model.loss_gradient(cx, &batch())).unwrap();
    });
    let before = ivon.state().running_statistics().to_vec();
    // A single row: batch norm with statistics of the batch could not compute it.
    let row = Tensor::from_slice(&[1.0f32, 5.0], [1, 2]).unwrap();
    let sampled = ivon.at_sample(4, |cx| Ok(model.forward(cx, &row)?.to_f64())).unwrap();
    ivon.at_mean(|cx| model.loss(cx, &row)?.item()).unwrap();
    assert_eq!(ivon.state().running_statistics(), before);

    let posterior = ivon.posterior().into_owned();
    let mut seen = vec![];
    posterior
        .predict(5, 0, |cx| {
            let logits = model.forward(cx, &row)?;
            seen.push(logits.to_f64());
            Ok(logits)
        })
        .unwrap();
    assert_eq!(seen[4], sampled);
    // The posterior keeps its own values while training continues.
    ivon.step(0.1, |cx| model.loss_gradient(cx, &batch())).unwrap();
    assert_eq!(posterior.running_statistics().unwrap().as_slice::<f32>(), before);
}
