//! Whole training steps of an annotated model on the emulated GPU, through the runtime's own code, against the CPU.

#[path = "shared/compare.rs"]
mod compare;
#[path = "shared/language.rs"]
mod language;

use compare::{look_for_the_emulator as gpu, real_gpu};
use ivon_emulator::{Pace, load};
use ivon_runtime::State;
use ivon_runtime::checkpoint::{Checkpoints, Notes};
use ivon_runtime::ops::cross_entropy::IGNORE;
use ivon_runtime::optimizers::{HessianEstimate, Prior, SamplePer, Tracer};
use ivon_runtime::prelude::*;
use language::{Language, Line, batch, model, set_rate};
use std::cell::RefCell;
use std::rc::Rc;

fn settings(device: Device) -> Settings {
    Settings::default().seed(3).device(device)
}

fn ivon_config() -> IvonConfig {
    IvonConfig::new(1e3).hess_init(0.5).beta2(0.99).weight_decay(1e-3)
}

fn ivon(model: &Language, config: IvonConfig, settings: Settings) -> Ivon {
    Ivon::new(model, config, settings).unwrap()
}

/// Takes steps up to this one; the losses.
fn train(model: &Language, optimizer: &mut dyn Optimizer, to: usize) -> Vec<f64> {
    train_on(batch, model, optimizer, to)
}

/// The ids and targets of micro-batch `number`.
type Batch = fn(usize) -> (Tensor, Tensor);

fn train_on(batch: Batch, model: &Language, optimizer: &mut dyn Optimizer, to: usize) -> Vec<f64> {
    let first = optimizer.state().step() as usize;
    let step = |step: usize| {
        let gradient = &mut |cx: &Context, part: usize| {
            let (ids, targets) = batch(10 * step + part);
            model.loss_gradient(cx, &ids, &targets)
        };
        optimizer.step_in_parts(0.1, gradient).unwrap()
    };
    (first..to).map(step).collect()
}

/// The largest difference of all buffers, in units of each buffer's largest number.
fn distance(a: &dyn Optimizer, b: &dyn Optimizer) -> f64 {
    let mut largest = 0.0f64;
    for ((name, a), (other, b)) in a.state().buffers().zip(b.state().buffers()) {
        assert_eq!((name, a.len()), (other, b.len()));
        let scale = a.iter().fold(1e-9f32, |m, x| m.max(x.abs()));
        for (x, y) in a.iter().zip(&*b) {
            // NaN counts as an infinite distance.
            let distance = ((x - y).abs() / scale) as f64;
            largest = largest.max(if distance.is_nan() { f64::INFINITY } else { distance });
        }
    }
    largest
}

fn bits(optimizer: &dyn Optimizer) -> Vec<u32> {
    optimizer.state().buffers().flat_map(|(_, values)| values.to_vec()).map(f32::to_bits).collect()
}

/// Trains on CPU and GPU and compares losses and state.
#[track_caller]
fn agree<O: Optimizer>(steps: usize, tolerance: f64, make: impl Fn(&Language, Device) -> O) {
    agree_on(batch, steps, tolerance, make);
}

#[track_caller]
fn agree_on<O: Optimizer>(batch: Batch, steps: usize, tolerance: f64, make: impl Fn(&Language, Device) -> O) {
    if !gpu() {
        return;
    }
    let tolerance = if real_gpu() { 10.0 * tolerance } else { tolerance };
    let model = model(0.2);
    let (mut cpu, mut gpu) = (make(&model, Device::Cpu), make(&model, Device::Cuda(0)));
    let (expected, found) = (train_on(batch, &model, &mut cpu, steps), train_on(batch, &model, &mut gpu, steps));
    for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * expected, "step {step}: {found} on the GPU, {expected} on the CPU");
    }
    let distance = distance(&cpu, &gpu);
    assert!(distance <= 50.0 * tolerance, "the states differ by {distance}");
    assert!(gpu.context().graphs() > 0, "no step was captured");
}

#[test]
fn a_step_of_ivon_is_that_of_the_processor() {
    agree(8, 1e-5, |model, device| ivon(model, ivon_config(), settings(device)));
}

#[test]
fn bounds_and_prior_variances_are_those_of_the_cpu() {
    let prior = Prior::Variance { weights: 1.0, biases: 10.0 };
    let fitted = Prior::Fitted { weights: 1.0, biases: 10.0, strength: 10.0, growth: 4.0, every: 2 };
    for config in [
        ivon_config().prior(fitted),
        ivon_config().hessian_bound(Some(0.5)),
        ivon_config().step_bound(Some(0.05)),
        ivon_config().hessian_bound(Some(2.0)).step_bound(Some(0.2)).prior(prior).samples(2),
    ] {
        agree(6, 1e-5, |model, device| ivon(model, config.clone(), settings(device)));
        if gpu() {
            let (model, free) = (model(0.2), ivon_config());
            let [mut bounded, mut unbounded] = [config, free].map(|config| ivon(&model, config, settings(Device::Cuda(0))));
            train(&model, &mut bounded, 6);
            train(&model, &mut unbounded, 6);
            assert!(distance(&bounded, &unbounded) > 1e-3, "the bounds were never reached");
        }
    }
}

#[test]
fn several_samples_and_micro_batches() {
    agree(5, 1e-5, |model, device| {
        let config = ivon_config().samples(3).clip_radius(Some(0.1));
        ivon(model, config, settings(device).micro_batches(2).grad_clip(Some(0.5)))
    });
    agree(5, 1e-5, |model, device| {
        let config = ivon_config().sample_per(SamplePer::MicroBatch).debias(false).rescale_lr(false);
        ivon(model, config, settings(device).micro_batches(3))
    });
}

/// [`batch`] with a different number of counted targets in each micro-batch of a step, sometimes none.
fn uneven(number: usize) -> (Tensor, Tensor) {
    let (ids, targets) = batch(number);
    let counted = [0, 3, 32, 7][(number / 10 + number % 10) % 4];
    let targets: Vec<u32> =
        targets.as_slice::<u32>().iter().enumerate().map(|(i, id)| if i < counted { *id } else { IGNORE }).collect();
    (ids, Tensor::from_slice(&targets, [2, 16]).unwrap())
}

#[test]
fn micro_batches_that_count_unequal_numbers_of_targets() {
    let clipped = |device| settings(device).micro_batches(4).grad_clip(Some(0.5));
    agree_on(uneven, 6, 1e-5, |model, device| ivon(model, ivon_config().samples(2), clipped(device)));
    for estimate in [HessianEstimate::Price, HessianEstimate::GradSq] {
        for in_graph in [false, true] {
            agree_on(uneven, 6, 1e-5, |model, device| {
                let config = ivon_config().sample_per(SamplePer::MicroBatch).estimate(estimate);
                let ivon = ivon(model, config, clipped(device));
                ivon.context().set_update_in_graph(in_graph);
                ivon
            });
        }
    }
}

/// Equal micro-batches, 2 or 64 of them, have the gradient of one to the bit: their sum is exact in f32, and would be rounded 63 times in bf16.
#[test]
fn micro_batches_in_bf16_add_up_in_f32() {
    if !gpu() {
        return;
    }
    let model = Line::build(4).unwrap();
    let x: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
    let (x, y) = (Tensor::from_slice(&x, [3, 4]).unwrap(), Tensor::from_slice(&[1.0f32, 0.3, -1.0], [3, 1]).unwrap());
    let run = |micro_batches: usize, in_graph: bool| {
        let settings = settings(Device::Cuda(0)).micro_batches(micro_batches).dtype(DType::Bf16).grad_clip(Some(0.5));
        let optimizers: [Box<dyn Optimizer>; 2] = [
            Box::new(Sgd::new(&model, SgdConfig::default(), settings.clone()).unwrap()),
            Box::new(Ivon::new(&model, ivon_config().samples(2), settings).unwrap()),
        ];
        optimizers.map(|mut optimizer| {
            optimizer.context().set_update_in_graph(in_graph);
            for _ in 0..6 {
                optimizer.step_in_parts(0.1, &mut |cx, _| model.loss_gradient(cx, &x, &y)).unwrap();
            }
            optimizer.state().buffers().flat_map(|(_, values)| values.to_vec()).map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let expected = run(1, false);
    for (parts, in_graph) in [(2, false), (2, true), (64, false), (64, true)] {
        assert!(run(parts, in_graph) == expected, "{parts} micro-batches, update in the graph: {in_graph}");
    }
}

#[test]
fn a_gradient_whose_square_overflows_is_clipped() {
    if !gpu() {
        return;
    }
    let model = Line::build(4).unwrap();
    let run = |device| {
        let mut sgd = Sgd::new(&model, SgdConfig::default(), settings(device).grad_clip(Some(1.0))).unwrap();
        let x: Vec<f32> = (1..13).map(|i| 1e11 * i as f32).collect();
        let (x, y) = (Tensor::from_slice(&x, [3, 4]).unwrap(), Tensor::from_slice(&[1e12f32, 0.0, -1e12], [3, 1]).unwrap());
        (0..4).for_each(|_| assert!(sgd.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap() > 1e20));
        sgd
    };
    let (cpu, gpu) = (run(Device::Cpu), run(Device::Cuda(0)));
    let distance = distance(&cpu, &gpu);
    assert!(distance < 1e-4, "the states differ by {distance}");
}

/// All that a tracer is shown, one list a call.
struct Recorder(Rc<RefCell<Vec<Vec<f32>>>>);

impl Tracer for Recorder {
    fn sample(&mut self, _: u32, _: u32, noise: &[f32], gradient: &[f32]) -> Result<()> {
        self.0.borrow_mut().extend([noise.to_vec(), gradient.to_vec()]);
        Ok(())
    }
    fn update(&mut self, _: u32, _: f64, state: &State) -> Result<()> {
        self.0.borrow_mut().extend(["mean", "hessian", "momentum"].map(|buffer| state.unpadded(buffer)));
        Ok(())
    }
}

#[test]
fn a_trace_is_that_of_the_processor() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    let trace = |device| {
        let config = ivon_config().samples(2);
        let mut optimizer = ivon(&model, config, settings(device).grad_clip(Some(0.1)));
        // Without the trace, the update would be a part of the graph.
        optimizer.context().set_update_in_graph(true);
        let seen = Rc::new(RefCell::new(vec![]));
        optimizer.trace(Some(Box::new(Recorder(seen.clone()))));
        train(&model, &mut optimizer, 4);
        seen.take()
    };
    let (expected, found) = (trace(Device::Cpu), trace(Device::Cuda(0)));
    assert_eq!((found.len(), expected.len()), (4 * (2 * 2 + 3), 4 * (2 * 2 + 3)));
    let tolerance = if real_gpu() { 1e-3 } else { 1e-4 };
    for (call, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let scale = expected.iter().fold(1e-9f32, |m, x| m.max(x.abs()));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance * scale, "call {call}: {found} on the GPU, {expected} on the CPU");
        }
    }
}

#[test]
fn squared_gradients() {
    agree(6, 1e-5, |model, device| ivon(model, ivon_config().estimate(HessianEstimate::GradSq), settings(device)));
}

#[test]
fn optimizers_without_a_posterior() {
    let clipped = |device| settings(device).grad_clip(Some(0.3));
    agree(6, 1e-4, |model, device| {
        // Gradients that are zero but for rounding, as those of the keys' bias, are not blown up.
        let config = AdamWConfig::default().eps(1e-3);
        AdamW::new(model, config, clipped(device)).unwrap()
    });
    agree(6, 1e-5, |model, device| Sgd::new(model, SgdConfig::default().nesterov(true), settings(device)).unwrap());
}

#[test]
fn bf16_follows_f32() {
    if !gpu() {
        return;
    }
    let model = model(0.0);
    let run = |device, dtype| {
        let mut ivon = ivon(&model, ivon_config(), settings(device).dtype(dtype));
        train(&model, &mut ivon, 8)
    };
    let (single, half) = (run(Device::Cpu, DType::F32), run(Device::Cuda(0), DType::Bf16));
    for (single, half) in single.iter().zip(&half) {
        assert!((single - half).abs() < 0.02 * single, "{half} in bf16, {single} in f32");
    }
}

#[test]
fn inputs_in_f32_are_taken_in_bf16() {
    if !gpu() {
        return;
    }
    let model = Line::build(4).unwrap();
    let run = |device, dtype| {
        let mut sgd = Sgd::new(&model, SgdConfig::default(), settings(device).dtype(dtype)).unwrap();
        let x: Vec<f32> = (0..12).map(|i| i as f32 / 12.0).collect();
        let (x, y) = (Tensor::from_slice(&x, [3, 4]).unwrap(), Tensor::from_slice(&[1.0f32, 0.0, -1.0], [3, 1]).unwrap());
        let losses: Vec<_> = (0..6).map(|_| sgd.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap()).collect();
        assert!(device == Device::Cpu || sgd.context().graphs() > 0, "no step was captured");
        losses
    };
    let (single, half) = (run(Device::Cpu, DType::F32), run(Device::Cuda(0), DType::Bf16));
    for (single, half) in single.iter().zip(&half) {
        assert!((single - half).abs() < 0.02, "{half} in bf16, {single} in f32");
    }
}

#[test]
fn a_batch_of_some_megabytes_comes_whole() {
    if !gpu() {
        return;
    }
    let model = Line::build(4).unwrap();
    let rows = 100_003; // of 16 bytes
    let run = |device| {
        let mut sgd = Sgd::new(&model, SgdConfig::default(), settings(device)).unwrap();
        let x: Vec<f32> = (0..4 * rows).map(|i| (i % 1009) as f32 / 1009.0).collect();
        let y: Vec<f32> = (0..rows).map(|i| (i % 13) as f32).collect();
        let (x, y) = (Tensor::from_slice(&x, [rows, 4]).unwrap(), Tensor::from_slice(&y, [rows, 1]).unwrap());
        sgd.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap()
    };
    let (expected, found) = (run(Device::Cpu), run(Device::Cuda(0)));
    assert!((expected - found).abs() < 1e-4 * expected, "{found} on the GPU, {expected} on the CPU");
}

#[test]
fn a_graph_does_what_its_kernels_do() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    for dtype in [DType::F32, DType::Bf16] {
        let run = |graphs: bool| {
            let mut ivon = ivon(&model, ivon_config(), settings(Device::Cuda(0)).dtype(dtype));
            ivon.context().set_graphs(graphs);
            let losses = train(&model, &mut ivon, 8);
            (losses, bits(&ivon), ivon.context().graphs())
        };
        let (with, without) = (run(true), run(false));
        assert_eq!(with.0, without.0);
        assert!(with.1 == without.1, "{dtype:?}: other bits as a graph");
        // One for each of the two places that batches are copied to.
        assert_eq!((with.2, without.2), (2, 0));
        assert!(run(true).1 == with.1, "{dtype:?}: other bits the second time");
    }
}

#[test]
fn streams_may_go_at_any_pace() {
    let Some(emulator) = load().filter(|_| gpu()) else { return };
    let model = model(0.2);
    let run = |pace: Pace, graphs: bool| {
        emulator.set_pace(pace);
        let config = ivon_config().samples(2);
        let mut ivon = ivon(&model, config, settings(Device::Cuda(0)).micro_batches(2));
        ivon.context().set_graphs(graphs);
        let losses = train(&model, &mut ivon, 6);
        (losses, bits(&ivon))
    };
    let expected = run(Pace::Eager, false);
    for pace in Pace::ALL {
        assert!(run(pace, true) == expected, "another result with {pace:?}");
    }
    emulator.set_pace(Pace::default());
}

#[test]
fn a_setting_that_changes_is_noticed() {
    if !gpu() {
        return;
    }
    let mut model = model(0.2);
    let (mut cpu, mut gpu) =
        (ivon(&model, ivon_config(), settings(Device::Cpu)), ivon(&model, ivon_config(), settings(Device::Cuda(0))));
    for (to, rate) in [(6, 0.2), (9, 0.5), (12, 0.2)] {
        set_rate(&mut model, rate);
        for (expected, found) in train(&model, &mut cpu, to).into_iter().zip(train(&model, &mut gpu, to)) {
            assert!((expected - found).abs() < 1e-4 * expected, "rate {rate}: {found} on the GPU, {expected} on the CPU");
        }
    }
}

#[test]
fn evaluations_are_those_of_the_processor_and_leave_training_alone() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    let evaluate = |optimizer: &mut Ivon| {
        let (ids, targets) = batch(99);
        let at_mean = optimizer.at_mean(|cx| model.loss(cx, &ids, &targets)?.item()).unwrap();
        let at_sample = optimizer.at_sample(3, |cx| model.loss(cx, &ids, &targets)?.item()).unwrap();
        [at_mean, at_sample]
    };
    let make = |device| ivon(&model, ivon_config(), settings(device));
    let (mut cpu, mut gpu, mut undisturbed) = (make(Device::Cpu), make(Device::Cuda(0)), make(Device::Cuda(0)));
    for to in [2, 5, 7] {
        train(&model, &mut cpu, to);
        train(&model, &mut gpu, to);
        for (expected, found) in evaluate(&mut cpu).into_iter().zip(evaluate(&mut gpu)) {
            assert!((expected - found).abs() < 1e-4 * expected, "{found} on the GPU, {expected} on the CPU");
        }
    }
    train(&model, &mut undisturbed, 7);
    assert!(bits(&gpu) == bits(&undisturbed), "an evaluation changed the training");
}

#[test]
fn statistics_are_those_of_the_processor_without_a_copy_of_the_state() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    let make = |device| ivon(&model, ivon_config(), settings(device));
    let (mut cpu, mut gpu) = (make(Device::Cpu), make(Device::Cuda(0)));
    train(&model, &mut cpu, 3);
    train(&model, &mut gpu, 3);
    let stalls = || load().map(|emulator| emulator.stalls());
    let before = stalls();
    let (expected, found) = (cpu.statistics().unwrap(), gpu.statistics().unwrap());
    // One small copy, and waiting for it.
    assert_eq!(stalls(), before.map(|stalls| stalls + 2));
    assert_eq!(expected.hessian_start, found.hessian_start);
    for (expected, found) in [
        (expected.hessian_min, found.hessian_min),
        (expected.hessian_max, found.hessian_max),
        (expected.sigma_mean, found.sigma_mean),
    ] {
        assert!((expected - found).abs() < 1e-4 * expected.abs(), "{found} on the GPU, {expected} on the CPU");
    }
    assert!(expected.hessian_min < expected.hessian_max);
}

#[test]
fn a_run_goes_on_from_its_checkpoint_on_either_device() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    let make = |device| ivon(&model, ivon_config(), settings(device));
    let mut whole = make(Device::Cuda(0));
    train(&model, &mut whole, 4);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoints::new(folder.path(), 2).save(&whole, Notes::default()).unwrap();
    train(&model, &mut whole, 8);
    for device in [Device::Cuda(0), Device::Cpu] {
        let mut resumed = make(device);
        train(&model, &mut resumed, 1);
        checkpoint.restore(&mut resumed).unwrap();
        train(&model, &mut resumed, 8);
        match device {
            Device::Cpu => assert!(distance(&whole, &resumed) < 1e-3),
            _ => assert!(bits(&whole) == bits(&resumed), "other bits after a resume"),
        }
    }
}

#[test]
fn an_update_out_of_range_is_told_one_step_later() {
    if !gpu() {
        return;
    }
    let model = model(0.0);
    let mut ivon = ivon(&model, ivon_config(), settings(Device::Cuda(0)));
    let gradient = |ivon: &mut Ivon, lr: f64| {
        let (ids, targets) = batch(0);
        ivon.step(lr, |cx| model.loss_gradient(cx, &ids, &targets))
    };
    gradient(&mut ivon, 0.1).unwrap();
    gradient(&mut ivon, 1e300).unwrap();
    let refused = ivon.state().fetch().unwrap_err().to_string();
    assert!(refused.contains("step 2") && refused.contains("out of range"), "{refused}");
    let error = gradient(&mut ivon, 0.1).unwrap_err().to_string();
    assert!(error.contains("step 2") || error.contains("the loss is"), "{error}");
}

#[test]
fn a_step_that_is_known_waits_for_its_loss_and_allocates_nothing() {
    // A real GPU does not count.
    let Some(emulator) = load().filter(|_| gpu()) else { return };
    let model = model(0.2);
    let mut ivon = ivon(&model, ivon_config(), settings(Device::Cuda(0)));
    train(&model, &mut ivon, 6);
    let before = (emulator.counts().0, emulator.stalls());
    train(&model, &mut ivon, 14);
    assert_eq!(
        (emulator.counts().0, emulator.stalls()),
        before,
        "allocations, and calls that may wait for all that was asked for"
    );
}

#[test]
fn ids_out_of_range_are_refused_before_anything_is_launched() {
    if !gpu() {
        return;
    }
    let model = model(0.0);
    let mut ivon = ivon(&model, ivon_config(), settings(Device::Cuda(0)));
    train(&model, &mut ivon, 6);
    let before = bits(&ivon);
    let (_, targets) = batch(0);
    let ids = Tensor::from_slice(&[99u32; 32], [2, 16]).unwrap();
    let error = ivon.step(0.1, |cx| model.loss_gradient(cx, &ids, &targets)).unwrap_err();
    assert!(error.to_string().contains("id 99 at position 0"), "{error}");
    assert!(bits(&ivon) == before);
    train(&model, &mut ivon, 7);
}

compare::watched!(a_step_of_ivon_is_that_of_the_processor, several_samples_and_micro_batches, optimizers_without_a_posterior);
