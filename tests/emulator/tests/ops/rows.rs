//! Sums, norms and softmax of rows.

use crate::both;
use crate::compare::{check, numbers};
use ivon_runtime::ops;

#[test]
fn sums_and_means() {
    for dims in [vec![3, 5, 7], vec![2, 700, 33], vec![1, 5000], vec![9, 1, 64], vec![70_000, 2]] {
        for axis in (0..dims.len()).map(Some).chain([None]) {
            check(&[numbers(&dims, 1)], |cx, x| {
                let y = ops::mean::forward(cx, &x[0], axis)?;
                let d_y = cx.filled(*y.shape(), 0.5)?;
                let grads = both(cx, [*x[0].shape()], |[d_x]| {
                    let (_, saved) = ops::mean::forward_saving(cx, &x[0], axis)?;
                    ops::mean::backward(cx, saved, d_y.clone(), d_x)
                })?;
                Ok([vec![y], grads].concat())
            });
        }
    }
}

#[test]
fn layer_norm() {
    // In registers, of whole lanes and not, several rows a warp; by a warp and by a block, of odd widths.
    for (rows, width) in [(1, 1), (9, 7), (5, 768), (4500, 8), (30, 40), (19, 1600), (130, 33), (2, 2100)] {
        let inputs = [numbers(&[rows, width], 1), numbers(&[width], 2), numbers(&[width], 3), numbers(&[rows, width], 4)];
        check(&inputs, |cx, x| {
            let forward = || ops::layer_norm::forward_saving(cx, &x[0], &x[1], Some(&x[2]), 1e-2);
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_gain, d_bias]| {
                ops::layer_norm::backward(cx, forward()?.1, x[3].clone(), d_x, d_gain, d_bias)
            })?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn rms_norm() {
    for (rows, width) in [(9, 7), (5, 96), (2, 2100)] {
        check(&[numbers(&[rows, width], 1), numbers(&[width], 2), numbers(&[rows, width], 4)], |cx, x| {
            let forward = || ops::rms_norm::forward_saving(cx, &x[0], &x[1], 1e-2);
            let grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_x, d_gain]| {
                ops::rms_norm::backward(cx, forward()?.1, x[2].clone(), d_x, d_gain)
            })?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn softmax_and_its_logarithm() {
    for (rows, width) in [(1, 1), (9, 7), (5, 128), (2, 2100)] {
        check(&[numbers(&[rows, width], 1), numbers(&[rows, width], 2)], |cx, x| {
            let forward = || ops::softmax::forward_saving(cx, &x[0]);
            let of_log = || ops::log_softmax::forward_saving(cx, &x[0]);
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::softmax::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            let of_logs = both(cx, [*x[0].shape()], |[d_x]| ops::log_softmax::backward(cx, of_log()?.1, x[1].clone(), d_x))?;
            Ok([vec![forward()?.0, of_log()?.0], grads, of_logs].concat())
        });
    }
}

#[test]
fn extremes_and_logsumexp() {
    for dims in [vec![3, 5, 7], vec![2, 70, 33], vec![1, 5000], vec![9, 1, 64], vec![3000, 2]] {
        for axis in (0..dims.len()).map(Some).chain([None]) {
            check(&[numbers(&dims, 1)], |cx, x| {
                let (largest, smallest) = (ops::amax::forward(cx, &x[0], axis)?, ops::amin::forward(cx, &x[0], axis)?);
                let sum = ops::logsumexp::forward(cx, &x[0], axis)?;
                let place = ops::argmin::forward(cx, &x[0], axis)?;
                let d_y = cx.filled(*sum.shape(), 0.5)?;
                let shape = *x[0].shape();
                let of_largest = both(cx, [shape], |[d_x]| {
                    ops::amax::backward(cx, ops::amax::forward_saving(cx, &x[0], axis)?.1, d_y.clone(), d_x)
                })?;
                let of_sum = both(cx, [shape], |[d_x]| {
                    ops::logsumexp::backward(cx, ops::logsumexp::forward_saving(cx, &x[0], axis)?.1, d_y.clone(), d_x)
                })?;
                Ok([vec![largest, smallest, place, sum], of_largest, of_sum].concat())
            });
        }
    }
}

/// Axes that are not neighbours, kept, in other orders, and repeated.
#[test]
fn axes_apart() {
    check(&[numbers(&[3, 5, 7, 2], 1), numbers(&[5, 1, 2], 2)], |cx, x| {
        let axes = ops::Axes::from([0, 2]).keep();
        let shape = *x[0].shape();
        let sum = ops::sum::forward(cx, &x[0], axes)?;
        let of_largest = both(cx, [shape], |[d_x]| {
            let (y, saved) = ops::amax::forward_saving(cx, &x[0], axes)?;
            ops::amax::backward(cx, saved, cx.filled(*y.shape(), 0.5)?, d_x)
        })?;
        let turned = ops::permute::forward(cx, &x[0], &[3, 1, 0, 2])?;
        let (wide, _) = ops::expand::forward_saving(cx, &x[1], shape)?;
        let of_wide = both(cx, [*x[1].shape()], |[d_x]| {
            ops::expand::backward(cx, ops::expand::forward_saving(cx, &x[1], shape)?.1, wide.clone(), d_x)
        })?;
        Ok([vec![sum, turned, wide.clone()], of_largest, of_wide].concat())
    });
}
