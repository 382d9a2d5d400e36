//! Whole training steps of annotated models on the emulated GPU, sampling and update included, against the same on the CPU.

#[path = "shared/compare.rs"]
mod compare;

use compare::{ids, numbers};
use ivon_runtime::cuda::Cudnn;
use ivon_runtime::layers::{BatchNorm2d, Linear};
use ivon_runtime::prelude::*;
use ivon_tests::words::Words;
use ivon_tests::{
    mlp::Mlp, normalized::Normalized, pointwise::Gate, recurrent::Recurrent, residual::Residual, shared::Shared,
    transformer::LanguageModel,
};
use models::data::Batch;
use models::gpt2::{Gpt2, Reader};

/// Steps, of which the first run kernel by kernel and the later ones as graphs.
const STEPS: usize = 5;

fn tokens(dims: [usize; 2], limit: usize, seed: usize) -> Tensor {
    Tensor::from_slice(&ids(dims[0] * dims[1], limit, seed), dims).unwrap()
}

fn settings(device: Device, dtype: DType) -> Settings {
    Settings::default().seed(7).device(device).dtype(dtype).grad_clip(Some(1.0))
}

fn ivon() -> IvonConfig {
    IvonConfig::new(1e4).hess_init(0.5).beta2(0.99).weight_decay(1e-3)
}

/// Losses of some steps, and the mean and the Hessian after them.
fn train(mut optimizer: impl Optimizer, lr: f64, loss: &dyn Fn(&Context) -> Result<f64>) -> (Vec<f64>, Vec<f32>, Vec<f32>) {
    let losses = (0..STEPS).map(|_| optimizer.step(lr, loss).unwrap()).collect();
    let cx = optimizer.context();
    // Inputs in bf16 are made anew for every step.
    assert!(cx.graphs() > 0 || cx.cuda().is_none() || cx.dtype() == DType::Bf16, "no step was captured");
    (losses, optimizer.state().unpadded("mean"), optimizer.state().unpadded("hessian"))
}

/// Trains with IVON on both, in f32 and, with losses that agree less closely, in bf16.
fn agree(model: &impl Model, loss: impl Fn(&Context) -> Result<f64>) {
    if !compare::look_for_the_emulator() {
        return;
    }
    let run = |device, dtype| train(Ivon::new(model, ivon(), settings(device, dtype)).unwrap(), 0.1, &loss);
    let (losses, mean, hessian) = run(Device::Cpu, DType::F32);
    let (losses_on_gpu, mean_on_gpu, hessian_on_gpu) = run(Device::Cuda(0), DType::F32);
    assert!(losses[0] != losses[STEPS - 1], "{losses:?}");
    close(&losses_on_gpu, &losses, 1e-4, "losses");
    let all = |x: &[f32]| x.iter().map(|x| *x as f64).collect::<Vec<_>>();
    close(&all(&mean_on_gpu), &all(&mean), 1e-3, "means");
    close(&all(&hessian_on_gpu), &all(&hessian), 1e-3, "Hessians");
    let (in_bf16, ..) = run(Device::Cuda(0), DType::Bf16);
    close(&in_bf16, &losses, 3e-2, "losses in bf16");
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let scale = expected.iter().fold(1e-9f64, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}, {i}: {f}, on the CPU {e}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn gpt2() {
    for (heads, bias) in [(2, true), (3, false)] {
        let mut model = Gpt2::build(83, 20, 36, heads, 2, bias).unwrap();
        model.set_dropout(0.1);
        let (inputs, targets) = (tokens([2, 17], 83, 1), tokens([2, 17], 83, 9));
        agree(&model, |cx| model.loss_gradient(cx, &inputs, &targets));
    }
}

#[test]
fn a_model_reads_token_by_token_and_says_how_likely_each_is() {
    if !compare::look_for_the_emulator() {
        return;
    }
    let model = Gpt2::build(83, 20, 36, 2, 2, true).unwrap();
    let text: Vec<u16> = ids(30, 83, 3).into_iter().map(|id| id as u16).collect();
    let batch = Batch { ids: tokens([2, 17], 83, 1), targets: tokens([2, 17], 83, 9) };
    let ask = |device, dtype| {
        let mut ivon = Ivon::new(&model, ivon(), settings(device, dtype)).unwrap();
        let answers = ivon.at_mean(|cx| {
            let mut reader = Reader::new(cx, 20);
            // Beyond the model's positions, where it begins again.
            let mut all = model.log_likelihoods(cx, &batch)?;
            for length in [5, 6, 7, 20, 21, 22, 30] {
                all.extend(reader.log_probabilities(&model, &text[..length])?);
            }
            Ok(all)
        });
        answers.unwrap()
    };
    let expected = ask(Device::Cpu, DType::F32);
    close(&ask(Device::Cuda(0), DType::F32), &expected, 1e-5, "log-probabilities");
    close(&ask(Device::Cuda(0), DType::Bf16), &expected, 3e-2, "log-probabilities in bf16");
}

#[test]
fn gpt2_with_heads_for_tensor_cores() {
    let model = Gpt2::build(83, 70, 64, 2, 1, true).unwrap();
    let (inputs, targets) = (tokens([1, 70], 83, 1), tokens([1, 70], 83, 9));
    agree(&model, |cx| model.loss_gradient(cx, &inputs, &targets));
}

#[test]
fn a_language_model_of_other_layers() {
    let model = LanguageModel::build(50, 12, 32, 2, 2).unwrap();
    let (inputs, targets) = (tokens([3, 12], 50, 1), tokens([3, 12], 50, 9));
    agree(&model, |cx| model.loss_gradient(cx, &inputs, &targets));
}

#[test]
fn shared_weights() {
    let model = Shared::build(19, 6).unwrap();
    let (inputs, targets) = (tokens([3, 5], 19, 1), tokens([3, 5], 19, 9));
    agree(&model, |cx| model.loss_gradient(cx, &inputs, &targets));
}

#[test]
fn a_perceptron() {
    let model = Mlp::build(10).unwrap();
    let (x, y) = (numbers(&[7, 10], 1), numbers(&[7, 10], 2));
    agree(&model, |cx| model.loss_gradient(cx, &in_type(cx, &x), &in_type(cx, &y)));
}

/// Inputs come in the type of activations.
fn in_type(cx: &Context, x: &Tensor) -> Tensor {
    if cx.dtype() == DType::Bf16 { compare::in_bf16(x) } else { x.clone() }
}

#[variational]
struct Together<const WIDTH: usize> {
    words: Words<WIDTH>,
    gate: Gate<WIDTH>,
    cell: Recurrent<WIDTH, 3>,
}

#[variational]
impl<const WIDTH: usize> Together<WIDTH> {
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>, mask: Tensor<B, WIDTH>) -> Tensor {
        let y = self.cell.forward(self.words.forward(x));
        let z = self.gate.forward(y.reshape([1, B, WIDTH]), mask);
        (z * z + y).mean()
    }
}

#[test]
fn fused_expressions_of_every_test_model() {
    let model = Together::build(8).unwrap();
    let (x, mask) = (numbers(&[5, 8], 1), numbers(&[5, 8], 2));
    agree(&model, |cx| model.loss_gradient(cx, &in_type(cx, &x), &in_type(cx, &mask)));
}

#[test]
fn residual_networks_with_batch_norm() {
    let model = Residual::build(4).unwrap();
    let x = numbers(&[3, 9, 8, 3], 1);
    for cudnn in [Cudnn::Windows, Cudnn::Off] {
        agree(&model, |cx| {
            cx.cuda().into_iter().for_each(|cuda| cuda.set_cudnn(cudnn));
            model.loss_gradient(cx, &in_type(cx, &x))
        });
    }
    let model = Normalized::build(6).unwrap();
    let x = numbers(&[5, 6], 1);
    agree(&model, |cx| model.loss_gradient(cx, &in_type(cx, &x)));
}

/// Whose gradient goes, as one tensor, into both sides of the sum.
#[variational]
struct Beside<const WIDTH: usize> {
    norm: BatchNorm2d<WIDTH>,
    mix: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Beside<WIDTH> {
    pub fn loss<B, H, W>(&self, x: Tensor<B, H, W, WIDTH>) -> Tensor {
        let y = self.mix.forward(x);
        let z = self.mix.forward(y + self.norm.forward(y));
        (z * z).mean()
    }
}

#[test]
fn batch_norm_of_what_it_is_added_to() {
    let model = Beside::build(5).unwrap();
    let x = numbers(&[3, 4, 2, 5], 1);
    agree(&model, |cx| model.loss_gradient(cx, &in_type(cx, &x)));
}

#[test]
fn point_optimizers() {
    if !compare::look_for_the_emulator() {
        return;
    }
    let model = Shared::build(19, 6).unwrap();
    let (inputs, targets) = (tokens([3, 5], 19, 1), tokens([3, 5], 19, 9));
    let loss = |cx: &Context| model.loss_gradient(cx, &inputs, &targets);
    let on = |device| settings(device, DType::F32);
    let adamw = |device| train(AdamW::new(&model, AdamWConfig::default(), on(device)).unwrap(), 1e-2, &loss);
    let sgd = |device| {
        let config = SgdConfig::default().nesterov(true).weight_decay(1e-2);
        train(Sgd::new(&model, config, on(device)).unwrap(), 1e-1, &loss)
    };
    for ((losses, mean, _), (on_gpu, mean_on_gpu, _)) in
        [(adamw(Device::Cpu), adamw(Device::Cuda(0))), (sgd(Device::Cpu), sgd(Device::Cuda(0)))]
    {
        close(&on_gpu, &losses, 1e-4, "losses");
        let all = |x: &[f32]| x.iter().map(|x| *x as f64).collect::<Vec<_>>();
        close(&all(&mean_on_gpu), &all(&mean), 1e-3, "means");
    }
}

compare::watched!(gpt2, gpt2_with_heads_for_tensor_cores, point_optimizers, fused_expressions_of_every_test_model);
