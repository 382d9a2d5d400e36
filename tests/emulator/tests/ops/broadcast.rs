//! Fused kernels whose operands repeat in place.

use crate::both;
use crate::compare::{check, numbers};
use ivon_runtime::prelude::*;

#[variational]
fn mixed<B, T, N>(x: Tensor<B, T, N>, y: Tensor<B, 1, N>, z: Tensor<T, 1>, w: Tensor<B, 1, 1>) -> Tensor<B, T, N> {
    let h = tanh(x * y) + z * x;
    (h - h.mean_keep(-1)) * w / (1.5 + y * y)
}

#[variational]
fn apart<A, B, C, D>(x: Tensor<A, 1, C, 1>, y: Tensor<1, B, 1, D>) -> Tensor<A, B, C, D> {
    x * exp(y)
}

#[test]
fn operands_of_other_shapes() {
    // Sixteen bytes a thread fit along the last axis, along all, and nowhere.
    for [b, t, n] in [[3, 5, 16], [2, 8, 7], [3, 5, 7], [2, 60, 33]] {
        let inputs =
            [numbers(&[b, t, n], 1), numbers(&[b, 1, n], 2), numbers(&[t, 1], 3), numbers(&[b, 1, 1], 4), numbers(&[b, t, n], 5)];
        check(&inputs, |cx, x| {
            let forward = || mixed::forward_saving(cx, &x[0], &x[1], &x[2], &x[3]);
            let shapes = [0, 1, 2, 3].map(|i| *x[i].shape());
            let grads =
                both(cx, shapes, |[d_x, d_y, d_z, d_w]| mixed::backward(cx, forward()?.1, x[4].clone(), d_x, d_y, d_z, d_w))?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
    check(&[numbers(&[3, 1, 5, 1], 1), numbers(&[1, 4, 1, 2], 2)], |cx, x| {
        let forward = || apart::forward_saving(cx, &x[0], &x[1]);
        let grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_x, d_y]| {
            apart::backward(cx, forward()?.1, cx.filled([3, 4, 5, 2], 0.5)?, d_x, d_y)
        })?;
        Ok([vec![forward()?.0], grads].concat())
    });
}
