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
