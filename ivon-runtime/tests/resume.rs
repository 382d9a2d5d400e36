//! A run that is stopped and resumed has the bits of an uninterrupted run. The model has dropout and batch norm, each step
//! selects its own data, and every kind of optimizer is tested.

use ivon_runtime::checkpoint::{Checkpoint, Checkpoints, Notes};
use ivon_runtime::layers::{BatchNorm2d, Dropout, Linear};
use ivon_runtime::ops::{gelu, mse};
use ivon_runtime::optimizers::{HessianEstimate, Prior, SamplePer};
use ivon_runtime::prelude::*;
use ivon_runtime::trainer::At;

#[variational]
pub struct Network<const WIDTH: usize> {
    up: Linear<3, WIDTH>,
    dropout: Dropout,
    norm: BatchNorm2d<WIDTH>,
    down: Linear<WIDTH, 2>,
}

#[variational]
impl<const WIDTH: usize> Network<WIDTH> {
    pub fn loss<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 2>) -> Tensor {
        let hidden = self.dropout.forward(gelu(self.up.forward(x)));
        let hidden = self.norm.forward(hidden.reshape([B, 1, 1, WIDTH])).reshape([B, WIDTH]);
        mse(self.down.forward(hidden), y)
    }
}

const STEPS: usize = 9;

/// The examples of a micro-batch, drawn separately for each.
fn batch(at: At) -> (Tensor, Tensor) {
    let value = |i: usize| ((at.step * 131 + at.micro_batch * 17 + i) as f32 * 0.71).sin();
    let x: Vec<f32> = (0..12).map(value).collect();
    let y: Vec<f32> = (100..108).map(value).collect();
    (Tensor::from_slice(&x, [4, 3]).unwrap(), Tensor::from_slice(&y, [4, 2]).unwrap())
}

fn network() -> Network {
    let mut model = Network::build(70).unwrap();
    model.dropout.rate = 0.3;
    model
}

/// Trains up to step `to`, with the schedule of the whole run. Returns the losses.
fn train(model: &Network, optimizer: &mut dyn Optimizer, to: usize) -> Vec<u64> {
    let schedule = Schedule::cosine(0.1, 0.01, 3, STEPS);
    let first = optimizer.state().step() as usize;
    let step = |step| {
        let gradient = &mut |cx: &Context, micro_batch| {
            let (x, y) = batch(At { step, micro_batch });
            model.loss_gradient(cx, &x, &y)
        };
        optimizer.step_in_parts(schedule.at(step), gradient).unwrap().to_bits()
    };
    (first..to).map(step).collect()
}

/// All bits of a state, and of the next sample.
fn bits(model: &Network, optimizer: &dyn Optimizer) -> Vec<u32> {
    let state = optimizer.state();
    let buffers = state.buffers().map(|(_, values)| values.to_vec()).chain([state.running_statistics().to_vec()]).flatten();
    let next = model.parameters().into_iter().flat_map(|p| optimizer.context().sample(p).unwrap().as_slice::<f32>().to_vec());
    buffers.chain(next).map(f32::to_bits).chain([state.step(), state.seed() as u32]).collect()
}

/// Stops after each number of steps, and continues in an optimizer with another seed.
fn check(what: &str, new: impl Fn(&Network, u64) -> Box<dyn Optimizer>) {
    let root = tempfile::tempdir().unwrap();
    let model = network();
    let mut straight = new(&model, 7);
    let losses = train(&model, straight.as_mut(), STEPS);
    for stop in 0..STEPS {
        let saved = {
            let mut stopped = new(&model, 7);
            train(&model, stopped.as_mut(), stop);
            let saved = Checkpoints::new(root.path(), 2).save(stopped.as_ref(), Notes::default()).unwrap();
            saved.path().to_path_buf()
        };
        let model = network();
        let mut resumed = new(&model, 8);
        train(&model, resumed.as_mut(), 1); // makes a state, which must not affect the resumed run
        assert_eq!(Checkpoint::open(saved).unwrap().restore(resumed.as_mut()), Ok(vec![]));
        assert_eq!(train(&model, resumed.as_mut(), STEPS), losses[stop..], "{what}: losses after a stop at step {stop}");
        assert!(bits(&model, resumed.as_ref()) == bits(&model, straight.as_ref()), "{what}: bits after a stop at step {stop}");
    }
}

fn settings(seed: u64, micro_batches: usize) -> Settings {
    Settings::default().seed(seed).micro_batches(micro_batches).grad_clip(Some(1.0))
}

fn ivon(config: IvonConfig, micro_batches: usize) -> impl Fn(&Network, u64) -> Box<dyn Optimizer> {
    let config = config.ess(1e3).beta2(0.99);
    move |model, seed| Box::new(Ivon::new(model, config.clone(), settings(seed, micro_batches)).unwrap())
}

#[test]
fn ivon_with_one_sample_an_update() {
    check("price", ivon(IvonConfig::new(1e6), 1));
    check("gradsq", ivon(IvonConfig::new(1e6).estimate(HessianEstimate::GradSq).clip_radius(Some(1e-2)), 1));
    check("micro-batches", ivon(IvonConfig::new(1e6), 2));
}

#[test]
fn ivon_with_a_plan_and_with_a_prior_that_is_fitted() {
    let plan = Plan { examples: 64, batch: 8, steps: STEPS };
    check("plan", move |model, seed| Box::new(Ivon::auto(model, plan, settings(seed, 1)).unwrap()));
    let prior = Prior::Fitted { weights: 1.0, biases: 10.0, strength: 10.0, growth: 4.0, every: 2 };
    check("prior", ivon(plan.config().prior(prior), 2));
}

#[test]
fn ivon_with_several_samples_an_update() {
    check("price", ivon(IvonConfig::new(1e6).samples(3), 1));
    check("gradsq", ivon(IvonConfig::new(1e6).samples(3).estimate(HessianEstimate::GradSq), 2));
    check("a sample per micro-batch", ivon(IvonConfig::new(1e6).sample_per(SamplePer::MicroBatch), 3));
}

#[test]
fn adamw_and_sgd() {
    check("adamw", |model, seed| Box::new(AdamW::new(model, AdamWConfig::default(), settings(seed, 2)).unwrap()));
    let nesterov = SgdConfig::default().nesterov(true).weight_decay(0.1);
    check("sgd", move |model, seed| Box::new(Sgd::new(model, nesterov.clone(), settings(seed, 1)).unwrap()));
}

#[test]
fn the_reference_in_f64() {
    let settings = |seed| Settings::default().seed(seed).dtype(DType::F64);
    let model = network();
    let new = |seed| Ivon::new(&model, IvonConfig::new(1e6), settings(seed)).unwrap();
    let root = tempfile::tempdir().unwrap();
    let step = |optimizer: &mut Ivon, n: usize| {
        for _ in 0..n {
            let (x, y) = batch(At { step: optimizer.state().step() as usize, micro_batch: 0 });
            let convert = |t: &Tensor| Tensor::from_slice(&t.to_f64(), *t.shape()).unwrap();
            optimizer.step(0.1, |cx| model.loss_gradient(cx, &convert(&x), &convert(&y))).unwrap();
        }
    };
    let (mut straight, mut resumed) = (new(1), new(2));
    step(&mut straight, 3);
    Checkpoints::new(root.path(), 1).save(&straight, Notes::default()).unwrap().restore(&mut resumed).unwrap();
    step(&mut straight, 3);
    step(&mut resumed, 3);
    for (name, values) in straight.state().buffers() {
        assert_eq!(values, resumed.state().buffer(name));
    }
    assert_eq!(straight.state().running_statistics(), resumed.state().running_statistics());
}
