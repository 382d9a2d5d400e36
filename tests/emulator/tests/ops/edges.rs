//! NaN, infinities and ties: the kernels of the GPU give what those of the CPU give, whose values `ivon-runtime/tests/edges.rs` has.

use crate::both;
use crate::compare::{check, numbers};
use ivon_runtime::ops::leaky_relu;
use ivon_runtime::prelude::*;
use ivon_runtime::{Builder, Init, ops};

/// Numbers with NaN at every `nan`-th place from `first` on, and -infinity at some others.
fn with_nan(dims: &[usize], seed: u64, first: usize, nan: usize) -> Tensor {
    let mut all = numbers(dims, seed).as_slice::<f32>().to_vec();
    all.iter_mut().skip(first).step_by(nan).for_each(|x| *x = f32::NAN);
    Tensor::from_slice(&all, dims).unwrap()
}

#[test]
fn nan_in_rows() {
    for (width, first) in [(1, 0), (3, 2), (40, 0), (40, 39), (1000, 999), (1500, 256)] {
        let targets = Tensor::from_slice(&[0u32; 3], [3]).unwrap();
        // The second row has no NaN.
        let mut x = numbers(&[3, width], 1).as_slice::<f32>().to_vec();
        x[first] = f32::NAN;
        x[2 * width..].fill(f32::NAN);
        check(&[Tensor::from_slice(&x, [3, width]).unwrap()], |cx, x| {
            Ok(vec![
                ops::softmax::forward(cx, &x[0])?,
                ops::log_softmax::forward(cx, &x[0])?,
                ops::cross_entropy::rows(cx, &x[0], &targets)?,
                ops::cross_entropy::forward(cx, &x[0], &targets)?,
                ops::cross_entropy_smoothed::forward(cx, &x[0], &targets, 0.25)?,
            ])
        });
    }
    // The first key is NaN, so that the first tile of keys has no finite score.
    let mut qkv = numbers(&[1, 70, 3 * 2 * 8], 2).as_slice::<f32>().to_vec();
    qkv[16..32].fill(f32::NAN);
    check(&[Tensor::from_slice(&qkv, [1, 70, 48]).unwrap()], |cx, x| Ok(vec![ops::causal_attention::forward(cx, 2, &x[0])?]));
}

#[test]
fn nan_and_ties_of_pictures() {
    for channels in [3, 64] {
        let dims = [2, 4, 4, channels];
        let mut builder = Builder::new();
        let (mean, variance) =
            (builder.buffer("mean", [channels], Init::Zeros), builder.buffer("variance", [channels], Init::Ones));
        let c = [channels];
        // Channel 1 has NaN.
        let x = with_nan(&dims, 1, 1, 5 * channels);
        // Few distinct values, so that many are equal; in one channel all are -infinity.
        let mut few: Vec<f32> = numbers(&dims, 4).as_slice::<f32>().iter().map(|x| x.round()).collect();
        few.iter_mut().step_by(channels).for_each(|x| *x = f32::NEG_INFINITY);
        let few = Tensor::from_slice(&few, dims).unwrap();
        // Zeros, whose z is the bias: that is the threshold.
        let zeros = Tensor::from_slice(&vec![0.0f32; dims.iter().product()], dims).unwrap();
        let inputs = [x, numbers(&c, 2), numbers(&c, 3), numbers(&dims, 5), few, zeros];
        check(&inputs, |cx, inputs| {
            let [x, gain, bias, d_y, few, zeros] = inputs else { unreachable!("there are six") };
            let shapes = [*x.shape(), *x.shape(), *gain.shape(), *bias.shape()];
            let mut all = vec![];
            cx.set_training(true);
            for residual in [None, Some(d_y)] {
                let norm =
                    || ops::batch_norm_relu::forward_saving(cx, x, residual, gain, Some(bias), &mean, &variance, 0.1, 1e-2);
                all.push(norm()?.0);
                all.extend(both(cx, shapes, |[d_x, d_residual, d_gain, d_bias]| {
                    ops::batch_norm_relu::backward(cx, norm()?.1, d_y.clone(), d_x, d_residual, d_gain, d_bias)
                })?);
            }
            cx.set_pass(ivon_runtime::Pass { seed: 1, step: 1, pass: 0 });
            all.push(ops::dropout::forward(cx, x, 0.5)?);
            cx.set_training(false);
            for x in [x, zeros] {
                let response = || ops::filter_response_norm::forward_saving(cx, x, gain, bias, Some(bias), 1e-2);
                all.push(response()?.0);
                let shapes = [*x.shape(), *gain.shape(), *bias.shape(), *bias.shape()];
                all.extend(both(cx, shapes, |[d_x, d_gain, d_bias, d_threshold]| {
                    ops::filter_response_norm::backward(cx, response()?.1, d_y.clone(), d_x, d_gain, d_bias, d_threshold)
                })?);
            }
            for x in [x, few] {
                let largest = || ops::max_pool2d::forward_saving(cx, 3, 2, 1, x);
                let y = largest()?.0;
                let d = cx.filled(*y.shape(), 1.0)?;
                all.push(y);
                all.extend(both(cx, [*x.shape()], |[d_x]| ops::max_pool2d::backward(cx, largest()?.1, d.clone(), d_x))?);
            }
            Ok(all)
        });
    }
}

#[variational]
struct Functions {}

#[variational]
impl Functions {
    pub fn all<N>(&self, a: Tensor<N>, b: Tensor<N>) -> (Tensor<N>, Tensor<N>, Tensor<N>, Tensor<N>, Tensor<N>, Tensor<N>) {
        let clamped = min(max(a, 0.0), 1.0);
        (relu(a), max(a, b), min(a, b), clamped, leaky_relu(a, 0.125), 2.0 * relu(a - b) + 0.0 * b)
    }
}

#[test]
fn elementwise_functions() {
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0];
    let pairs = || values.iter().flat_map(|a| values.map(|b| [*a, b]));
    let of = |i: usize| Tensor::from_slice(&pairs().map(|pair| pair[i]).collect::<Vec<_>>(), [81]).unwrap();
    let model = Functions::new();
    check(&[of(0), of(1)], |cx, x| {
        let one = || cx.filled([81], 1.0);
        let (values, _) = model.all_saving(cx, &x[0], &x[1])?;
        let mut all = vec![values.0, values.1, values.2, values.3, values.4, values.5];
        all.extend(both(cx, [*x[0].shape(), *x[1].shape()], |[d_a, d_b]| {
            let (_, saved) = model.all_saving(cx, &x[0], &x[1])?;
            model.all_backward(cx, saved, one()?, one()?, one()?, one()?, one()?, one()?, d_a, d_b)
        })?);
        Ok(all)
    });
}

#[variational]
fn compared<N>(a: Tensor<N>, b: Tensor<N>) -> (Tensor<N>, Tensor<N>) {
    (select(a >= b, a, 2.0 * b), (a == b) + 2.0 * (a != b) + 4.0 * (a <= b) + 8.0 * (a < b) + 16.0 * (a > b))
}

#[test]
fn comparisons() {
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0];
    let pairs = || values.iter().flat_map(|a| values.map(|b| [*a, b]));
    let of = |i: usize| Tensor::from_slice(&pairs().map(|pair| pair[i]).collect::<Vec<_>>(), [49]).unwrap();
    check(&[of(0), of(1)], |cx, x| {
        let one = || cx.filled([49], 1.0);
        let (chosen, masks) = compared::forward(cx, &x[0], &x[1])?;
        let grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_a, d_b]| {
            compared::backward(cx, compared::forward_saving(cx, &x[0], &x[1])?.1, one()?, one()?, d_a, d_b)
        })?;
        Ok([vec![chosen, masks], grads].concat())
    });
}
