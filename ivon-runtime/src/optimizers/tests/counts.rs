//! Micro-batches whose losses count unequal numbers of targets, gradients at the ends of f32, and parameters that no loss uses.

use super::super::driver::Driver;
use super::{Recorder, Seen};
use crate::core::dtype::DType;
use crate::ops::{cross_entropy, cross_entropy::IGNORE, gaussian_nll, mse};
use crate::optimizers::{HessianEstimate, Optimizer, SamplePer};
use crate::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Cross-entropy of three classes: the inputs are the logits but for a shift.
#[variational]
struct Shift {
    #[parameter(init = zeros)]
    w: Parameter<3>,
}

#[variational]
impl Shift {
    fn loss<B>(&self, x: Tensor<B, 3>, y: Ids<B>) -> Tensor {
        cross_entropy(x + self.w, y)
    }
    fn two<B>(&self, x: Tensor<B, 3>, y: Ids<B>, z: Ids<B>) -> Tensor {
        cross_entropy(x + self.w, y) + cross_entropy(x, z)
    }
    fn beside_mean<B>(&self, x: Tensor<B, 3>, y: Ids<B>) -> Tensor {
        cross_entropy(x + self.w, y) + exp(x * self.w).mean()
    }
    fn beside_mean_in_loop<B>(&self, x: Tensor<B, 3>, y: Ids<B>) -> Tensor {
        let mut u = self.w + 0.0;
        for _ in 0..2 {
            u = x.mean(0) * u;
        }
        cross_entropy(x + self.w, y) + u.mean()
    }
    fn beside_penalty<B>(&self, x: Tensor<B, 3>, y: Ids<B>) -> Tensor {
        let mut u = self.w;
        for _ in 0..2 {
            u = exp(u);
        }
        cross_entropy(x + self.w, y) + u.mean()
    }
}

/// Rows of inputs and their targets, of which `counts[p]` of the `rows` of part p count.
struct Data {
    rows: usize,
    x: Vec<f64>,
    targets: Vec<u32>,
}

impl Data {
    fn new(rows: usize, counts: &[usize]) -> Data {
        let all = rows * counts.len();
        let x = (0..3 * all).map(|i| ((i * i) as f64 * 0.37).sin() * 2.0).collect();
        let target = |i: usize| if i % rows < counts[i / rows] { (i * 7 % 3) as u32 } else { IGNORE };
        Data { rows, x, targets: (0..all).map(target).collect() }
    }

    /// Part `part` of `parts`.
    fn part(&self, dtype: DType, part: usize, parts: usize) -> (Tensor, Tensor) {
        let n = self.targets.len() / parts;
        let x = &self.x[part * n * 3..(part + 1) * n * 3];
        let x = match dtype {
            DType::F64 => Tensor::from_slice(x, [n, 3]),
            _ => Tensor::from_slice(&x.iter().map(|x| *x as f32).collect::<Vec<_>>(), [n, 3]),
        };
        (x.unwrap(), Tensor::from_slice(&self.targets[part * n..(part + 1) * n], [n]).unwrap())
    }

    fn parts(&self) -> usize {
        self.targets.len() / self.rows
    }
}

type Loss = fn(&Shift, &Context, &Tensor, &Tensor) -> Result<f64>;

/// The loss and the gradient in f64, at weights of 0.
fn gradient(data: &Data, parts: usize) -> Result<(f64, Vec<f64>)> {
    gradient_of(Shift::loss_gradient, data, parts)
}

fn gradient_of(loss: Loss, data: &Data, parts: usize) -> Result<(f64, Vec<f64>)> {
    let model = Shift::new();
    let settings = Settings { dtype: DType::F64, micro_batches: parts, ..Settings::default() };
    let mut driver = Driver::new(&model, settings, &[], false)?;
    driver.zero_gradient()?;
    let loss = driver.gradient(0, 0, parts, &None, &mut |cx, part| {
        let (x, y) = data.part(DType::F64, part, parts);
        loss(&model, cx, &x, &y)
    })?;
    let gradient = &driver.state.gradient;
    let range = gradient.layout().entries()[0].range();
    Ok((loss, gradient.as_slice::<f64>()[range].to_vec()))
}

#[test]
fn micro_batches_weigh_by_the_targets_that_count() {
    for counts in [&[0, 1, 5, 9][..], &[9, 5, 1, 0], &[3, 0, 0, 8], &[1, 4], &[2, 2, 2]] {
        let data = Data::new(10, counts);
        let (loss, whole) = gradient(&data, 1).unwrap();
        let (in_parts, sum) = gradient(&data, data.parts()).unwrap();
        assert!((loss - in_parts).abs() <= 1e-12, "{counts:?}: loss {in_parts}, in one batch {loss}");
        for (a, b) in sum.iter().zip(&whole) {
            assert!((a - b).abs() <= 1e-12, "{counts:?}: {sum:?}, in one batch {whole:?}");
        }
    }
}

/// The mean over ten rows weighs one third of that over thirty, whatever the number of targets that count.
#[test]
fn a_mean_of_data_beside_a_loss_that_weighs_otherwise_is_refused() {
    for loss in [Shift::beside_mean_gradient, Shift::beside_mean_in_loop_gradient] {
        for counts in [[2, 5, 9], [0, 3, 3]] {
            let error = gradient_of(loss, &Data::new(10, &counts), 3).unwrap_err().to_string();
            assert!(error.contains("no weight of the micro-batch fits"), "{error}");
        }
        let data = Data::new(10, &[7, 7, 7]);
        gradient_of(loss, &data, 3).unwrap();
    }
}

#[test]
fn a_mean_of_parameters_fits_every_weight() {
    for counts in [&[0, 1, 5, 9][..], &[9, 5, 1, 0], &[2, 2, 2]] {
        let data = Data::new(10, counts);
        let (loss, whole) = gradient_of(Shift::beside_penalty_gradient, &data, 1).unwrap();
        let (in_parts, sum) = gradient_of(Shift::beside_penalty_gradient, &data, data.parts()).unwrap();
        assert!((loss - in_parts).abs() <= 1e-12, "{counts:?}: loss {in_parts}, in one batch {loss}");
        assert!(sum.iter().zip(&whole).all(|(a, b)| (a - b).abs() <= 1e-12), "{counts:?}: {sum:?}, in one batch {whole:?}");
    }
}

/// PyTorch's gradients of eight rows in one batch.
#[test]
fn gradients_of_half_batches() {
    #[rustfmt::skip]
    let x = vec![
        0.1, 0.2, 0.3, 1.0, -1.0, 0.5, 0.3, 0.3, -0.2, 0.0, 2.0, 1.0, 0.7, -0.1, 0.4, 1.5, 0.2, -0.6, -0.3, 0.8, 0.9, 0.25, 0.5, -1.25,
    ];
    let i = IGNORE;
    for (targets, expected) in [
        (vec![1, i, i, i, 2, 0, 1, 1], [0.20189, -0.26899, 0.06710]),
        (vec![i, i, i, i, 2, 0, 1, 1], [0.17721, -0.16929, -0.00792]),
    ] {
        let data = Data { rows: 4, x: x.clone(), targets };
        for parts in [1, 2] {
            let (_, found) = gradient(&data, parts).unwrap();
            assert!(
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5),
                "{parts} parts: {found:?}, expected {expected:?}"
            );
        }
    }
}

#[test]
fn a_batch_in_which_nothing_counts_is_refused() {
    for parts in [1, 4] {
        let error = gradient(&Data::new(3, &[0; 4]), parts).unwrap_err().to_string();
        assert!(error.contains("no target counts"), "{error}");
    }
}

/// Regression with every loss that is a mean, and a penalty on the weights.
#[variational]
struct Line {
    #[parameter(init = ones)]
    w: Parameter<3>,
}

#[variational]
impl Line {
    fn squares<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor {
        mse(x * self.w, y)
    }
    fn likelihood<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor {
        gaussian_nll(x * self.w, x + self.w, y)
    }
    fn averaged<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor {
        abs(x * self.w - y).mean() + (self.w * self.w).mean()
    }
    fn penalised<B>(&self, x: Tensor<B, 3>, y: Tensor<B, 3>) -> Tensor {
        0.1 * (self.w * self.w).mean() + mse(x * self.w, y)
    }
}

#[test]
fn micro_batches_of_unequal_size_weigh_by_their_elements() {
    type LineLoss = fn(&Line, &Context, &Tensor, &Tensor) -> Result<f64>;
    let losses: [(&str, LineLoss); 4] = [
        ("mse", Line::squares_gradient),
        ("gaussian_nll", Line::likelihood_gradient),
        ("mean", Line::averaged_gradient),
        ("a penalty before mse", Line::penalised_gradient),
    ];
    let model = Line::new();
    let numbers = |rows: usize, shift: f64| (0..3 * rows).map(|i| (i as f64 * 0.7 + shift).sin()).collect::<Vec<_>>();
    let (x, y) = (numbers(9, 0.0), numbers(9, 2.0));
    let gradient = |loss: LineLoss, sizes: &[usize]| {
        let settings = Settings { dtype: DType::F64, micro_batches: sizes.len(), ..Settings::default() };
        let mut driver = Driver::new(&model, settings, &[], false).unwrap();
        driver.zero_gradient().unwrap();
        // At weights of 1.
        driver.state.weights.as_mut_slice::<f64>().fill(1.0);
        let value = driver
            .gradient(0, 0, sizes.len(), &None, &mut |cx, part| {
                let start: usize = sizes[..part].iter().sum();
                let of = |all: &[f64]| Tensor::from_slice(&all[3 * start..3 * (start + sizes[part])], [sizes[part], 3]).unwrap();
                loss(&model, cx, &of(&x), &of(&y))
            })
            .unwrap();
        let gradient = &driver.state.gradient;
        let range = gradient.layout().entries()[0].range();
        [vec![value], gradient.as_slice::<f64>()[range].to_vec()].concat()
    };
    for (name, loss) in losses {
        let whole = gradient(loss, &[9]);
        for sizes in [&[4, 5][..], &[1, 0, 8], &[0, 2, 7], &[3, 3, 3]] {
            let parts = gradient(loss, sizes);
            let near = whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1e-12);
            assert!(near, "{name} in parts of {sizes:?}: {parts:?}, in one batch {whole:?}");
        }
    }
}

#[test]
fn losses_that_ask_for_different_weights_are_refused() {
    let (model, data) = (Shift::new(), Data::new(10, &[3, 6]));
    let other = |counts: [usize; 2]| Data::new(10, &counts);
    let step = |others: Data| {
        let settings = Settings { micro_batches: 2, ..Settings::default() };
        let mut sgd = Sgd::new(&model, SgdConfig::default(), settings).unwrap();
        sgd.step_in_parts(0.1, &mut |cx, part| {
            let ((x, y), (_, z)) = (data.part(DType::F32, part, 2), others.part(DType::F32, part, 2));
            model.two_gradient(cx, &x, &y, &z)
        })
    };
    step(other([1, 2])).unwrap();
    for counts in [[2, 2], [0, 4]] {
        let error = step(other(counts)).unwrap_err().to_string();
        assert!(error.contains("no weight of the micro-batch fits"), "{error}");
    }
}

/// Every optimizer and estimate: mean, Hessian and momentum after some steps are those of one batch.
#[test]
fn updates_are_those_of_one_batch() {
    let (model, data) = (Shift::new(), Data::new(10, &[0, 1, 5, 9]));
    let run = |parts: usize, estimate: HessianEstimate, samples: usize| {
        let settings = Settings { micro_batches: parts, grad_clip: Some(0.1), seed: 3, ..Settings::default() };
        let config = IvonConfig { hess_init: 0.1, beta2: 0.9, estimate, samples, ..IvonConfig::new(100.0) };
        let mut ivon = Ivon::new(&model, config, settings).unwrap();
        for _ in 0..3 {
            let gradient = &mut |cx: &Context, part: usize| {
                let (x, y) = data.part(DType::F32, part, parts);
                model.loss_gradient(cx, &x, &y)
            };
            ivon.step_in_parts(0.1, gradient).unwrap();
        }
        ["mean", "hessian", "momentum"].map(|name| ivon.state().unpadded(name)).concat()
    };
    for estimate in [HessianEstimate::Price, HessianEstimate::GradSq] {
        for samples in [1, 3] {
            let (whole, parts) = (run(1, estimate, samples), run(4, estimate, samples));
            let near = whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1e-5 * (a.abs() + 1e-2));
            assert!(near, "{estimate:?}, {samples} samples: {parts:?}, in one batch {whole:?}");
        }
    }
}

/// State, loss and the gradients that a tracer saw, of steps with a posterior sample for each micro-batch.
struct Sampled {
    loss: f64,
    state: [Vec<f32>; 3],
    seen: Seen,
}

/// Steps with a posterior sample for each micro-batch of `data`, in f64; with `forget`, as of losses that do not tell their counts.
fn sampled(data: &Data, estimate: HessianEstimate, steps: usize, forget: bool) -> Result<Sampled> {
    let model = Shift::new();
    let settings =
        Settings { dtype: DType::F64, micro_batches: data.parts(), grad_clip: Some(0.5), seed: 3, ..Settings::default() };
    let config = IvonConfig { estimate, sample_per: SamplePer::MicroBatch, ..small_config() };
    let mut ivon = Ivon::new(&model, config, settings)?;
    let seen = Rc::new(RefCell::new(Seen::default()));
    ivon.trace(Some(Box::new(Recorder(seen.clone()))));
    let mut loss = 0.0;
    for _ in 0..steps {
        loss = ivon.step_in_parts(0.1, &mut |cx, part| {
            let (x, y) = data.part(DType::F64, part, data.parts());
            let loss = model.loss_gradient(cx, &x, &y);
            if forget {
                cx.recount(0);
            }
            loss
        })?;
    }
    let state = ["mean", "hessian", "momentum"].map(|name| ivon.state().unpadded(name));
    Ok(Sampled { loss, state, seen: seen.take() })
}

fn small_config() -> IvonConfig {
    IvonConfig { hess_init: 0.1, beta1: 0.9, beta2: 0.9, debias: true, rescale_lr: false, ..IvonConfig::new(100.0) }
}

/// The mean cross-entropy of a part's targets that count, and its gradient, at a shift `w`.
fn loss_by_hand(data: &Data, part: usize, w: &[f64]) -> (f64, Vec<f64>) {
    let rows = part * data.rows..(part + 1) * data.rows;
    let (mut loss, mut gradient, mut count) = (0.0, vec![0.0; 3], 0.0);
    for row in rows.filter(|row| data.targets[*row] != IGNORE) {
        let z: Vec<f64> = (0..3).map(|i| data.x[3 * row + i] + w[i]).collect();
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        let target = data.targets[row] as usize;
        loss += total.ln() - z[target];
        (0..3).for_each(|i| gradient[i] += z[i].exp() / total - f64::from(i == target));
        count += 1.0;
    }
    let n = f64::max(count, 1.0);
    (loss / n, gradient.into_iter().map(|g| g / n).collect())
}

#[test]
fn samples_of_micro_batches_weigh_by_the_targets_that_count() {
    for counts in [&[0, 1, 5, 9][..], &[9, 5, 1, 0], &[3, 0, 0, 8], &[2, 2, 2, 2]] {
        for estimate in [HessianEstimate::Price, HessianEstimate::GradSq] {
            let data = Data::new(10, counts);
            let Sampled { loss, state: [mean, hessian, momentum], seen } = sampled(&data, estimate, 1, false).unwrap();
            let (all, c) = (counts.iter().sum::<usize>() as f64, small_config());
            let sigma = 1.0 / (c.ess * c.hess_init).sqrt();
            let (mut expected_loss, mut g, mut h_hat) = (0.0, [0.0; 3], [0.0; 3]);
            for (part, (noise, traced)) in seen.samples.iter().enumerate() {
                let w: Vec<f64> = noise.iter().map(|noise| sigma * f64::from(*noise)).collect();
                let (loss, gradient) = loss_by_hand(&data, part, &w);
                let scale = (0.5 / (gradient.iter().map(|g| g * g).sum::<f64>().sqrt() + 1e-6)).min(1.0);
                let share = counts[part] as f64 / all;
                expected_loss += share * loss;
                for i in 0..3 {
                    let clipped = gradient[i] * scale;
                    assert!((f64::from(traced[i]) - clipped).abs() < 1e-6, "{counts:?}: {traced:?}, {i} is {clipped} by hand");
                    g[i] += share * clipped;
                    h_hat[i] += share
                        * match estimate {
                            HessianEstimate::Price => clipped * f64::from(noise[i]) / sigma,
                            HessianEstimate::GradSq => c.ess * clipped * clipped,
                        };
                }
            }
            assert!((loss - expected_loss).abs() < 1e-6, "{counts:?}: loss {loss}, by hand {expected_loss}");
            for i in 0..3 {
                let (h0, gain) = (c.hess_init, 1.0 - c.beta2);
                let h = h0 + gain * (h_hat[i] - h0) + 0.5 * gain * gain * (h_hat[i] - h0).powi(2) / h0;
                let near = |a: f32, b: f64| (f64::from(a) - b).abs() <= 2e-6 * (1.0 + b.abs());
                assert!(near(momentum[i], 0.1 * g[i]), "{counts:?}, {estimate:?}: momentum {momentum:?}, by hand {}", 0.1 * g[i]);
                assert!(near(hessian[i], h), "{counts:?}, {estimate:?}: Hessian {hessian:?}, {i} is {h} by hand");
                assert!(near(mean[i], -0.1 * g[i] / h), "{counts:?}, {estimate:?}: mean {mean:?}, by hand {}", -0.1 * g[i] / h);
            }
        }
    }
    let error = sampled(&Data::new(3, &[0; 4]), HessianEstimate::Price, 1, false).err().unwrap().to_string();
    assert!(error.contains("no target counts in any micro-batch"), "{error}");
}

/// If all counts are equal, the factors are exactly 1, so the bits are those of losses without counts.
#[test]
fn samples_of_equal_counts_keep_their_bits() {
    let data = Data::new(10, &[4, 4, 4]);
    for estimate in [HessianEstimate::Price, HessianEstimate::GradSq] {
        let bits = |forget: bool| {
            let Sampled { loss, state, .. } = sampled(&data, estimate, 3, forget).unwrap();
            (state.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>()), loss.to_bits())
        };
        assert_eq!(bits(false), bits(true), "{estimate:?}");
    }
}

/// The step that an SGD of learning rate 1 makes with this gradient, clipped to 1.
fn clipped(dtype: DType, g: f32) -> Vec<f32> {
    let model = Shift::new();
    let settings = Settings { dtype, grad_clip: Some(1.0), ..Settings::default() };
    let mut sgd = Sgd::new(&model, SgdConfig { momentum: 0.0, weight_decay: 0.0, ..SgdConfig::default() }, settings).unwrap();
    let step = sgd.step(1.0, |cx| {
        let mut adjoint = cx.gradient(&model.w)?;
        let target = adjoint.target(cx, [3])?.unwrap().0;
        match target.dtype() {
            DType::F64 => target.as_mut_slice::<f64>().copy_from_slice(&[0.0, f64::from(g), 0.0]),
            _ => target.as_mut_slice::<f32>().copy_from_slice(&[0.0, g, 0.0]),
        }
        Ok(1.0)
    });
    step.unwrap();
    sgd.posterior().mean("w").unwrap().iter().map(|w| -w).collect()
}

#[test]
fn every_finite_gradient_is_clipped() {
    for dtype in [DType::F32, DType::F64, DType::Bf16] {
        for g in [1e20f32, -1e20, 3e38, 2e19] {
            let step = clipped(dtype, g);
            assert!((step[1] - g.signum()).abs() < 1e-5 && step[0] == 0.0, "{dtype:?}, {g:e}: {step:?}");
        }
        for g in [1e-30f32, -1e-30, 0.5] {
            let step = clipped(dtype, g);
            assert!((step[1] - g).abs() <= 1e-6 * g.abs(), "{dtype:?}, {g:e}: {step:?}");
        }
    }
}

/// Another method may use what the loss does not.
#[variational]
struct Spare {
    w: Parameter<3>,
    spare: Parameter<3>,
}

#[variational]
impl Spare {
    fn loss<B>(&self, x: Tensor<B, 3>, y: Ids<B>) -> Tensor {
        cross_entropy(x + self.w, y)
    }
    fn other(&self) -> Tensor {
        (self.spare * self.spare).sum()
    }
}

#[test]
fn a_parameter_that_no_loss_uses_is_named() {
    let (model, data) = (Spare::new(), Data::new(4, &[3]));
    let (x, y) = data.part(DType::F32, 0, 1);
    // Notices are those of the process, and no other test tells of this one.
    let told = || crate::device::cuda::notices().iter().any(|about| about.starts_with("no gradient reached `spare` in 3 steps"));
    let mut used = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
    for step in 0..5 {
        used.step(0.1, |cx| if step == 1 { model.other_gradient(cx) } else { model.loss_gradient(cx, &x, &y) }).unwrap();
    }
    assert!(!told());
    let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
    for step in 0..5 {
        // The step that follows says it, because nothing has taken it.
        assert_eq!(told(), step >= 4);
        ivon.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap();
    }
    let mut sgd = Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap();
    for step in 1..5 {
        sgd.step(0.1, |cx| model.loss_gradient(cx, &x, &y)).unwrap();
        assert_eq!(sgd.take_warning().is_some(), step == 3);
    }
}
