//! Convolutions, norms and pooling of images.

use crate::both;
use crate::compare::{check, check_within, numbers};
use ivon_runtime::cuda::Cudnn;
use ivon_runtime::{Builder, Context, Init, Tensor, ops};

/// Kernel, stride, padding, dilation, groups; images, height, width, inputs, outputs.
const CONVOLUTIONS: [([usize; 5], [usize; 5]); 8] = [
    ([3, 1, 1, 1, 1], [2, 7, 6, 3, 5]),
    ([1, 1, 0, 1, 1], [1, 9, 9, 70, 66]),
    ([1, 2, 0, 1, 1], [2, 7, 8, 6, 4]),
    ([3, 2, 1, 1, 1], [2, 9, 8, 4, 8]),
    ([3, 1, 2, 2, 2], [1, 8, 8, 4, 6]),
    ([5, 3, 2, 1, 4], [1, 11, 13, 4, 4]),
    ([3, 1, 1, 1, 16], [1, 5, 6, 16, 16]),
    ([3, 2, 1, 1, 40], [2, 19, 18, 40, 40]),
];

fn convolutions(cudnn: Cudnn) {
    for ([kernel, stride, padding, dilation, groups], [images, height, width, inputs, outputs]) in CONVOLUTIONS {
        let x = [images, height, width, inputs];
        let weight = [outputs, kernel, kernel, inputs / groups];
        check_within(3e-5, 3e-2, &[numbers(&x, 1), numbers(&weight, 2), numbers(&[outputs], 3)], |cx, x| {
            if let Some(cuda) = cx.cuda() {
                cuda.set_cudnn(cudnn);
            }
            let forward =
                || ops::conv2d::forward_saving(cx, kernel, stride, padding, dilation, groups, &x[0], &x[1], Some(&x[2]));
            let d_y = forward()?.0;
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_weight, d_bias]| {
                ops::conv2d::backward(cx, forward()?.1, d_y.clone(), d_x, d_weight, d_bias)
            })?;
            let without_bias = ops::conv2d::forward(cx, kernel, stride, padding, dilation, groups, &x[0], &x[1], None)?;
            Ok([vec![d_y.clone(), without_bias], grads].concat())
        });
    }
}

/// Rectangular windows with a padding of its own on each side, sequences, and transposed convolutions.
fn other_convolutions(cudnn: Cudnn) {
    let set = move |cx: &Context| cx.cuda().into_iter().for_each(|cuda| cuda.set_cudnn(cudnn));
    for (groups, inputs, outputs) in [(1, 3, 5), (2, 4, 6), (16, 16, 16)] {
        let inputs_of = |x: &[usize], weight: &[usize]| [numbers(x, 1), numbers(weight, 2), numbers(&[outputs], 3)];
        let rectangle = inputs_of(&[2, 9, 7, inputs], &[outputs, 3, 2, inputs / groups]);
        for bottom in [1, 3] {
            check_within(3e-5, 3e-2, &rectangle, |cx, x| {
                set(cx);
                let forward = || {
                    let (x, weight, bias) = (&x[0], &x[1], Some(&x[2]));
                    ops::conv2d_rectangular::forward_saving(cx, 3, 2, 2, 1, 1, bottom, 2, 2, 2, 3, groups, x, weight, bias)
                };
                let (y, _) = forward()?;
                let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_weight, d_bias]| {
                    ops::conv2d_rectangular::backward(cx, forward()?.1, y.clone(), d_x, d_weight, d_bias)
                })?;
                Ok([vec![y.clone()], grads].concat())
            });
        }
        let sequence = inputs_of(&[2, 13, inputs], &[outputs, 3, inputs / groups]);
        check_within(3e-5, 3e-2, &sequence, |cx, x| {
            set(cx);
            let forward = || ops::conv1d::forward_saving(cx, 3, 1, 4, 0, 2, groups, &x[0], &x[1], Some(&x[2]));
            let (y, _) = forward()?;
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_weight, d_bias]| {
                ops::conv1d::backward(cx, forward()?.1, y.clone(), d_x, d_weight, d_bias)
            })?;
            Ok([vec![y.clone()], grads].concat())
        });
        let transposed = inputs_of(&[2, 5, 4, inputs], &[inputs, 3, 3, outputs / groups]);
        check_within(3e-5, 3e-2, &transposed, |cx, x| {
            set(cx);
            let forward = || ops::conv_transpose2d::forward_saving(cx, 3, 2, 1, 1, 1, groups, &x[0], &x[1], Some(&x[2]));
            let (y, _) = forward()?;
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_weight, d_bias]| {
                ops::conv_transpose2d::backward(cx, forward()?.1, y.clone(), d_x, d_weight, d_bias)
            })?;
            Ok([vec![y.clone()], grads].concat())
        });
    }
}

#[test]
fn convolutions_by_our_kernels() {
    convolutions(Cudnn::Off);
    other_convolutions(Cudnn::Off);
}

#[test]
fn convolutions_by_cudnn() {
    for cudnn in [Cudnn::Windows, Cudnn::Weights, Cudnn::All] {
        convolutions(cudnn);
        other_convolutions(cudnn);
    }
}

#[test]
fn norms_of_pictures() {
    // Threads with one channel and with 16 bytes of them; more channels than a block has threads for.
    for (groups, dims) in [(1, [2, 3, 4, 6]), (3, [2, 5, 5, 6]), (35, [1, 9, 7, 35]), (2, [2, 6, 7, 32]), (3, [1, 5, 3, 264])] {
        let c = [dims[3]];
        let inputs = [numbers(&dims, 1), numbers(&c, 2), numbers(&c, 3), numbers(&c, 4), numbers(&dims, 5)];
        check(&inputs, |cx, x| {
            let group = || ops::group_norm::forward_saving(cx, groups, &x[0], &x[1], &x[2], 1e-2);
            let shapes = [*x[0].shape(), *x[1].shape(), *x[2].shape()];
            let mut all = both(cx, shapes, |[d_x, d_gain, d_bias]| {
                ops::group_norm::backward(cx, group()?.1, x[4].clone(), d_x, d_gain, d_bias)
            })?;
            all.push(group()?.0);
            for threshold in [None, Some(&x[3])] {
                let response = || ops::filter_response_norm::forward_saving(cx, &x[0], &x[1], &x[2], threshold, 1e-2);
                let shapes = [*x[0].shape(), *x[1].shape(), *x[2].shape(), *x[3].shape()];
                all.extend(both(cx, shapes, |[d_x, d_gain, d_bias, d_threshold]| {
                    ops::filter_response_norm::backward(cx, response()?.1, x[4].clone(), d_x, d_gain, d_bias, d_threshold)
                })?);
                all.push(response()?.0);
            }
            Ok(all)
        });
    }
}

#[test]
fn batch_norms() {
    // A thread with one channel and with 16 bytes of them, one group of rows and several, rows that some threads lack.
    for dims in [[20, 1], [17, 3], [9, 8], [300, 24], [2100, 64], [70, 264], [600, 520]] {
        let c = [dims[1]];
        let mut builder = Builder::new();
        let mean = builder.buffer("mean", c, Init::Zeros);
        let variance = builder.buffer("variance", c, Init::Ones);
        let inputs = [numbers(&dims, 1), numbers(&c, 2), numbers(&c, 3), numbers(&dims, 4), numbers(&dims, 5)];
        check(&inputs, |cx, x| {
            let [x, gain, bias, residual, d_y] = x else { unreachable!("there are five") };
            let shapes = [*x.shape(), *gain.shape(), *bias.shape()];
            let of = (0.1, 1e-2);
            let mut all = vec![];
            cx.set_training(true);
            let norm = || ops::batch_norm::forward_saving(cx, x, gain, Some(bias), &mean, &variance, of.0, of.1);
            all.extend(both(cx, shapes, |[d_x, d_gain, d_bias]| {
                ops::batch_norm::backward(cx, norm()?.1, d_y.clone(), d_x, d_gain, d_bias)
            })?);
            all.push(norm()?.0);
            for more in [None, Some(residual)] {
                let active = || ops::batch_norm_relu::forward_saving(cx, x, more, gain, Some(bias), &mean, &variance, of.0, of.1);
                all.extend(both(cx, [shapes[0], shapes[0], shapes[1], shapes[2]], |[d_x, d_residual, d_gain, d_bias]| {
                    ops::batch_norm_relu::backward(cx, active()?.1, d_y.clone(), d_x, d_residual, d_gain, d_bias)
                })?);
                all.push(active()?.0);
            }
            Ok(all)
        });
    }
}

#[test]
fn pooling() {
    for ([kernel, stride, padding], dims) in
        [([2, 2, 0], [2, 6, 5, 3]), ([3, 2, 1], [1, 9, 8, 7]), ([3, 1, 1], [2, 4, 4, 33]), ([3, 2, 1], [2, 7, 8, 16])]
    {
        // Few distinct values, so that many are equal.
        let x = numbers(&dims, 1);
        let few: Vec<f32> = x.as_slice::<f32>().iter().map(|x| x.round()).collect();
        check(&[x, Tensor::from_slice(&few, dims).unwrap()], |cx, x| {
            let mut all = vec![];
            for x in x {
                let largest = || ops::max_pool2d::forward_saving(cx, kernel, stride, padding, x);
                let average = || ops::avg_pool2d::forward_saving(cx, kernel, stride, padding, x);
                let (y, z) = (largest()?.0, average()?.0);
                all.extend(both(cx, [*x.shape()], |[d_x]| ops::max_pool2d::backward(cx, largest()?.1, z.clone(), d_x))?);
                all.extend(both(cx, [*x.shape()], |[d_x]| ops::avg_pool2d::backward(cx, average()?.1, y.clone(), d_x))?);
                all.extend([y, z]);
            }
            Ok(all)
        });
    }
}
