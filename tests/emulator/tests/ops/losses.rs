//! Cross-entropy.

use crate::both;
use crate::compare::{check, ids, numbers, scalar};
use ivon_runtime::{Adjoint, Tensor, ops};

#[test]
fn cross_entropy_plain_smoothed_and_in_place() {
    for (rows, classes) in [(1, 3), (6, 10), (4, 1001), (2, 50_257)] {
        let mut targets = ids(rows, classes, 5);
        if rows > 2 {
            targets[1] = ops::cross_entropy::IGNORE;
        }
        let targets = Tensor::from_slice(&targets, [rows]).unwrap();
        check(&[numbers(&[rows, classes], 1)], |cx, x| {
            let d_loss = |loss: &Tensor| scalar(cx, loss.dtype(), 1.5);
            let loss = ops::cross_entropy::forward(cx, &x[0], &targets)?;
            let of_rows = ops::cross_entropy::rows(cx, &x[0], &targets)?;
            let grads = both(cx, [*x[0].shape()], |[d_x]| {
                let (loss, saved) = ops::cross_entropy::forward_saving(cx, &x[0], &targets)?;
                ops::cross_entropy::backward(cx, saved, d_loss(&loss)?, d_x)
            })?;
            let smoothed = both(cx, [*x[0].shape()], |[d_x]| {
                let (loss, saved) = ops::cross_entropy_smoothed::forward_saving(cx, &x[0], &targets, 0.25)?;
                ops::cross_entropy_smoothed::backward(cx, saved, d_loss(&loss)?, d_x)
            })?;
            // The backward pass may overwrite these logits: no other handle reads them.
            let mut in_place = Adjoint::new();
            let own = ops::copy(cx, &x[0])?;
            let (loss_of_own, saved) = ops::cross_entropy::forward_saving(cx, &own, &targets)?;
            drop(own);
            ops::cross_entropy::backward(cx, saved, d_loss(&loss_of_own)?, &mut in_place)?;
            let smoothed_loss = ops::cross_entropy_smoothed::forward(cx, &x[0], &targets, 0.25)?;
            let in_place = in_place.into_tensor(cx, *x[0].shape())?;
            Ok([vec![loss, of_rows, smoothed_loss, in_place], grads, smoothed].concat())
        });
    }
}

#[test]
fn cross_entropy_of_products_whose_rows_are_not_aligned() {
    for (rows, inputs, classes) in [(5, 8, 61), (3, 7, 64), (9, 5, 130)] {
        let mut targets = ids(rows, classes, 5);
        targets[1] = ops::cross_entropy::IGNORE;
        let targets = Tensor::from_slice(&targets, [rows]).unwrap();
        check(&[numbers(&[rows, inputs], 1), numbers(&[classes, inputs], 2)], |cx, x| {
            let loss = ops::linear_cross_entropy::forward(cx, &x[0], &x[1], &targets)?;
            let mut grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_x, d_weight]| {
                let (loss, saved) = ops::linear_cross_entropy::forward_saving(cx, &x[0], &x[1], &targets)?;
                ops::linear_cross_entropy::backward(cx, saved, scalar(cx, loss.dtype(), 1.5)?, d_x, d_weight)
            })?;
            grads.push(loss);
            Ok(grads)
        });
    }
}
