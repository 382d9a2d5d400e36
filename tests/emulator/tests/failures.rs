//! A failure on a GPU ends in an error that says what happened and what to do, and never destroys the last checkpoint.

#[path = "shared/language.rs"]
mod language;

use ivon_emulator::{Emulator, Failures, Refused, load};
use ivon_runtime::checkpoint::{Checkpoints, Notes};
use ivon_runtime::cuda::{libraries, notices};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops;
use ivon_runtime::prelude::*;
use language::{Language, batch, model};
use std::sync::{Mutex, MutexGuard};

/// The emulator, for one test at a time: failures concern the whole process.
fn gpu() -> Option<(&'static Emulator, MutexGuard<'static, ()>)> {
    static TURN: Mutex<()> = Mutex::new(());
    let emulator = load()?;
    libraries::look_first_in(emulator.folder());
    Some((emulator, TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())))
}

fn ivon(model: &Language) -> Result<Ivon> {
    Ivon::new(model, IvonConfig::new(1e3), Settings::default().device(Device::Cuda(0)))
}

fn step(model: &Language, ivon: &mut Ivon) -> Result<f64> {
    let (ids, targets) = batch(ivon.state().step() as usize);
    ivon.step(0.1, |cx| model.loss_gradient(cx, &ids, &targets))
}

/// That an error has all of these in its message.
#[track_caller]
fn says<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("this should have failed") };
    for part in parts {
        assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_kernel_or_a_gpu_that_fails_leaves_the_checkpoint() {
    let Some((emulator, _turn)) = gpu() else { return };
    let model = model(0.1);
    for failures in
        [Failures { launch_after: Some(5), ..Failures::default() }, Failures { device_lost: true, ..Failures::default() }]
    {
        let mut first = ivon(&model).unwrap();
        (0..5).for_each(|_| assert!(step(&model, &mut first).is_ok()));
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2);
        let saved = checkpoints.save(&first, Notes::default()).unwrap();
        let expected = [step(&model, &mut first).unwrap(), step(&model, &mut first).unwrap()];

        emulator.set_failures(failures);
        // A graph is launched as a whole, so kernel by kernel something fails for certain.
        first.context().set_graphs(false);
        let failed = (0..3).find_map(|_| step(&model, &mut first).err()).expect("the failure is noticed");
        assert!(failed.to_string().contains("CUDA could not"), "{failed}");
        if failures.device_lost {
            assert!(failed.to_string().contains("last checkpoint"), "{failed}");
            says(checkpoints.save(&first, Notes::default()).map(drop), &["CUDA"]);
        }
        drop(first);
        emulator.set_failures(Failures::default());

        let mut second = ivon(&model).unwrap();
        saved.restore(&mut second).unwrap();
        assert_eq!([step(&model, &mut second).unwrap(), step(&model, &mut second).unwrap()], expected);
    }
}

#[test]
fn a_kernel_that_reads_what_is_not_there_loses_the_gpu_until_it_is_opened_again() {
    let Some((emulator, _turn)) = gpu() else { return };
    let model = model(0.1);
    for graphs in [false, true] {
        let mut first = ivon(&model).unwrap();
        first.context().set_graphs(graphs);
        (0..6).for_each(|_| assert!(step(&model, &mut first).is_ok()));
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2);
        let saved = checkpoints.save(&first, Notes::default()).unwrap();
        let expected = [step(&model, &mut first).unwrap(), step(&model, &mut first).unwrap()];

        emulator.set_failures(Failures { fault_after: Some(7), ..Failures::default() });
        says(step(&model, &mut first), &["CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel failed", "last checkpoint"]);
        emulator.set_failures(Failures::default());
        says(step(&model, &mut first), &["CUDA"]);
        says(checkpoints.save(&first, Notes::default()).map(drop), &["CUDA"]);
        drop(first);

        let mut second = ivon(&model).unwrap();
        saved.restore(&mut second).unwrap();
        assert_eq!([step(&model, &mut second).unwrap(), step(&model, &mut second).unwrap()], expected);
    }
}

#[test]
fn memory_that_does_not_suffice_is_told_before_training() {
    let Some((emulator, _turn)) = gpu() else { return };
    let model = model(0.0);
    emulator.set_failures(Failures { allocation_after: Some(2), ..Failures::default() });
    says(ivon(&model), &["CUDA could not allocate", "free", "smaller"]);
    emulator.set_failures(Failures::default());

    let mut whole = ivon(&model).unwrap();
    let (ids, targets) = (
        Tensor::from_slice(&[1u32; 16 * 4096], [4096, 16]).unwrap(),
        Tensor::from_slice(&[2u32; 16 * 4096], [4096, 16]).unwrap(),
    );
    emulator.set_memory(emulator.used_memory() + (60 << 20));
    let result = whole.step(0.1, |cx| model.loss_gradient(cx, &ids, &targets));
    says(result.clone(), &["needs", "GiB", "the GPU has", "largest batch that fits"]);
    assert_eq!(whole.state().step(), 0);
    // The sum is true: the batch that is named fits.
    let message = result.unwrap_err().to_string();
    let (_, rest) = message.split_once("fits: about ").unwrap();
    let batch: usize = rest.split(' ').next().unwrap().parse().unwrap();
    let part = |x: u32| Tensor::from_slice(&vec![x; 16 * batch], [batch, 16]).unwrap();
    let (ids, targets) = (part(1), part(2));
    assert!((256..4096).contains(&batch), "{message}");
    whole.step(0.1, |cx| model.loss_gradient(cx, &ids, &targets)).unwrap();
    emulator.set_memory(4 << 30);
    step(&model, &mut whole).unwrap();
}

ivon_runtime::signature! {
    /// y = x², elementwise.
    pub fn square<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest>;
}

/// An op for the CPU alone, as a user may write one.
mod square {
    use super::*;

    pub struct Saved {
        x: Tensor,
    }

    pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
        let mut y = cx.empty(*x.shape())?;
        if !cx.planning() {
            y.as_mut_slice::<f32>().iter_mut().zip(x.as_slice::<f32>()).for_each(|(y, x)| *y = x * x);
        }
        Ok(y)
    }

    pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
        Ok((forward(cx, x)?, Saved { x: x.clone() }))
    }

    pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
        let Some((d_x, add)) = d_x.target(cx, *saved.x.shape())? else { return Ok(()) };
        if !cx.planning() {
            let d_x = d_x.as_mut_slice::<f32>();
            for ((d_x, x), d_y) in d_x.iter_mut().zip(saved.x.as_slice::<f32>()).zip(d_y.as_slice::<f32>()) {
                *d_x = 2.0 * x * d_y + if add { *d_x } else { 0.0 };
            }
        }
        Ok(())
    }
}

#[variational]
struct Squares<const WIDTH: usize> {
    inner: Square<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Squares<WIDTH> {
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        self.inner.forward(x).mean()
    }
}

#[variational]
struct Square<const WIDTH: usize> {
    linear: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Square<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.linear.forward(square(self.linear.forward(x)))
    }
}

#[test]
fn where_streams_allocate_no_memory_it_is_allocated_plainly() {
    let Some((emulator, _turn)) = gpu() else { return };
    let model = model(0.1);
    let losses = |refused| {
        emulator.set_failures(Failures { refused, ..Failures::default() });
        let mut ivon = ivon(&model).unwrap();
        let losses: Vec<f64> = (0..6).map(|_| step(&model, &mut ivon).unwrap()).collect();
        emulator.set_failures(Failures::default());
        losses
    };
    let expected = losses(None);
    assert_eq!(losses(Some(Refused::StreamOrdered)), expected);
    assert!(notices().contains(&"stream-ordered allocation".to_string()), "it is told");
}

#[test]
fn an_op_without_kernels_is_named_before_anything_runs() {
    let Some((_, _turn)) = gpu() else { return };
    let model = Squares::build(4).unwrap();
    let x = Tensor::from_slice(&[0.5f32; 8], [2, 4]).unwrap();
    let train = |device| {
        let mut ivon = Ivon::new(&model, IvonConfig::new(1e3), Settings::default().device(device))?;
        ivon.step(0.1, |cx| model.loss_gradient(cx, &x))
    };
    assert!(train(Device::Cpu).is_ok());
    says(train(Device::Cuda(0)), &["inner: linear", "failures.rs", "no kernel", "docs/op.md", "--device cpu"]);
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_with_what_is() {
    let Some((_, _turn)) = gpu() else { return };
    let error = Context::new(Device::Cuda(7), DType::F32).err().expect("there is one GPU only").to_string();
    for part in ["cuda:7", "driver", "NVRTC", "cuBLASLt", "cuda:0"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Outputs and gradients of ops that use every epilogue, and of convolutions.
fn outputs_with(refused: Option<Refused>, tuned: bool, emulator: &Emulator) -> Vec<f64> {
    emulator.set_failures(Failures { refused, ..Failures::default() });
    let cx = Context::new(Device::Cuda(0), DType::Bf16).unwrap();
    cx.cuda().unwrap().set_tuning(tuned);
    let of = |shape: &[usize], seed: u64| {
        let count = shape.iter().product::<usize>() as u64;
        let values: Vec<f32> = (0..count).map(|i| ((i * 37 + seed * 11) % 64) as f32 / 64.0 - 0.5).collect();
        cx.input(&Tensor::from_slice(&values, shape).unwrap()).unwrap()
    };
    let (x, up, bias, down) = (of(&[24, 16], 1), of(&[32, 16], 2), of(&[32], 3), of(&[16, 32], 4));
    let mut all = vec![];
    let (h, first) = ops::linear_gelu::forward_saving(&cx, &x, &up, Some(&bias)).unwrap();
    let (y, second) = ops::linear::forward_saving(&cx, &h, &down, Some(&of(&[16], 5))).unwrap();
    let [mut d_x, mut d_up, mut d_bias, mut d_down, mut d_last] = std::array::from_fn(|_| Adjoint::new());
    let mut d_h = ops::linear_gelu::adjoint(&first);
    all.extend(y.to_f64());
    ops::linear::backward(&cx, second, y, &mut d_h, &mut d_down, &mut d_last).unwrap();
    ops::linear_gelu::backward(&cx, first, d_h, &mut d_x, &mut d_up, &mut d_bias).unwrap();

    let (image, filter) = (of(&[2, 6, 6, 8], 6), of(&[8, 3, 3, 8], 7));
    let (y, saved) = ops::conv2d::forward_saving(&cx, 3, 1, 1, 1, 1, &image, &filter, Some(&of(&[8], 8))).unwrap();
    let (one, weight) = (of(&[16, 1, 1, 8], 9), Adjoint::new());
    all.extend(ops::conv2d::forward(&cx, 1, 1, 0, 1, 1, &y, &one, Some(&of(&[16], 10))).unwrap().to_f64());
    let [mut d_image, mut d_filter, mut d_image_bias] = [Adjoint::new(), weight, Adjoint::new()];
    ops::conv2d::backward(&cx, saved, y, &mut d_image, &mut d_filter, &mut d_image_bias).unwrap();
    for adjoint in [d_x, d_up, d_bias, d_down, d_last, d_image, d_filter, d_image_bias] {
        all.extend(adjoint.into_sum("a gradient").unwrap().to_f64());
    }
    emulator.set_failures(Failures::default());
    all
}

/// An operation that a library refuses is computed without it, and a notice says so.
#[test]
fn what_a_library_refuses_is_computed_by_our_own_kernels() {
    let Some((emulator, _turn)) = gpu() else { return };
    let expected = outputs_with(None, false, emulator);
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let said = notices();
    for (refused, about) in [
        (Refused::Epilogues, ["Bias", "RowSums", "Gelu", "GeluSlope"].as_slice()),
        (Refused::Plans, &["product: Forward", "product: Input", "product: Weight"]),
        (Refused::Configurations, &[]), // these have been told by now
        (Refused::Descriptions, &[]),
        (Refused::Cudnn, &["cuDNN"]),
    ] {
        let found = outputs_with(Some(refused), false, emulator);
        let error = norm(&mut found.iter().zip(&expected).map(|(f, e)| f - e)) / norm(&mut expected.iter().copied());
        // A sum that is rounded to bf16 before a bias or a slope comes in.
        assert!(error < 5e-3, "{refused:?}: relative error {error:e}");
        let news: Vec<String> = notices().into_iter().filter(|notice| !said.contains(notice)).collect();
        for about in about {
            assert!(news.iter().any(|notice| notice.contains(about)), "{refused:?}: `{about}` is not in {news:?}");
        }
    }
}

/// Ways that were measured compute the same, whether they were measured now or by an earlier run.
#[test]
fn measured_ways_compute_the_same_and_are_kept() {
    let Some((emulator, _turn)) = gpu() else { return };
    assert_eq!(outputs_with(None, true, emulator), outputs_with(None, false, emulator));
    let steps = |tuned: bool| {
        let model = model(0.0);
        let mut ivon = ivon(&model).unwrap();
        ivon.context().cuda().unwrap().set_tuning(tuned);
        (0..4).map(|_| step(&model, &mut ivon).unwrap()).collect::<Vec<_>>()
    };
    let plain = steps(false);
    let [measured, again] = [steps(true), steps(true)];
    assert_eq!(measured, again);
    for (measured, plain) in measured.iter().zip(&plain) {
        assert!((measured - plain).abs() < 1e-5 * plain.abs(), "{measured} and {plain}");
    }
}

#[test]
fn a_step_that_cannot_be_a_graph_runs_without_and_says_why() {
    let Some((_, _turn)) = gpu() else { return };
    let cx = Context::new(Device::Cuda(0), DType::F32).unwrap();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
    let step = || {
        let forward = |cx: &Context| {
            // Made in the CPU's memory by every pass: each time it has to be copied to the GPU.
            let y = Tensor::from_slice(&[3.0f32, 6.0], [2])?;
            Ok((ivon_runtime::ops::mse::forward(cx, &x, &y)?, ()))
        };
        cx.differentiated("a step that is no graph", &[&x], forward, |_, (), _| Ok(()))
    };
    for _ in 0..8 {
        assert_eq!(step().unwrap(), 10.0);
    }
    assert_eq!(cx.graphs(), 0);
    assert!(notices().contains(&"a step that is no graph".to_string()));
}
