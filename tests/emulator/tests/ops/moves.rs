//! Ops that move elements: tables, dropout, slices, stacks, transposes.

use crate::compare::{check, ids, numbers};
use crate::{adjoint, both};
use ivon_runtime::{Tensor, ops};

#[test]
fn embedding_sums_repeated_ids_in_their_order() {
    for (count, rows, width) in [(1, 1, 1), (7, 3, 5), (300, 11, 64), (5, 40, 1500), (5000, 700, 40)] {
        let positions = Tensor::from_slice(&ids(count, rows, 3), [count]).unwrap();
        check(&[numbers(&[rows, width], 1), numbers(&[count, width], 2)], |cx, x| {
            let forward = || ops::embedding::forward_saving(cx, &positions, &x[0]);
            let grads =
                both(cx, [*x[0].shape()], |[d_weight]| ops::embedding::backward(cx, forward()?.1, x[1].clone(), d_weight))?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn parts_of_ids() {
    let all = Tensor::from_slice(&ids(5 * 7 * 3, 11, 4), [5, 7, 3]).unwrap();
    check(&[numbers(&[11, 6], 1)], |cx, x| {
        let parts = [
            ops::slice::forward(cx, &all, 1, 2..6)?,
            ops::slice::forward(cx, &all, 0, 1..1)?,
            ops::at::forward(cx, &all, 0, 3)?,
            ops::at::forward(cx, &all, 2, 1)?,
        ];
        parts.iter().map(|ids| ops::embedding::forward(cx, ids, &x[0])).collect()
    });
}

#[test]
fn columns_by_their_numbers() {
    for (rows, wide, narrow) in [(1, 1, 1), (6, 5, 9), (40, 131, 53), (3, 700, 0)] {
        let columns = Tensor::from_slice(&ids(narrow, wide, 3), [narrow]).unwrap();
        check(&[numbers(&[rows, wide], 1), numbers(&[rows, narrow], 2)], |cx, x| {
            let forward = || ops::index_select::forward_saving(cx, &x[0], &columns);
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::index_select::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn dropout_drops_the_same_elements() {
    for n in [1, 63, 64, 1000, 70_000] {
        check(&[numbers(&[n], 1)], |cx, x| {
            cx.set_training(true);
            cx.set_pass(ivon_runtime::Pass { seed: 0x1234_5678_9abc, step: 3, pass: 1 });
            let (y, saved) = ops::dropout::forward_saving(cx, &x[0], 0.3)?;
            let mut d_x = adjoint(cx, x[0].shape(), true)?;
            ops::dropout::backward(cx, saved, x[0].clone(), &mut d_x)?;
            cx.set_training(false);
            Ok(vec![y, d_x.into_tensor(cx, *x[0].shape())?])
        });
    }
}

#[test]
fn slices_and_concatenations() {
    for (dims, axis, range) in
        [(vec![4, 6], 1, 1..4), (vec![3, 5, 16], 1, 2..5), (vec![2, 64, 24], 2, 8..16), (vec![7], 0, 0..7), (vec![5, 8], 0, 2..2)]
    {
        let mut part = dims.clone();
        part[axis] = range.len();
        check(&[numbers(&dims, 1), numbers(&part, 2)], |cx, x| {
            let forward = || ops::slice::forward_saving(cx, &x[0], axis, range.clone());
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::slice::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            let joined = || ops::join::forward_saving(cx, &[&x[0], &x[1]], axis);
            let d_y = joined()?.0;
            let of_parts = both(cx, [*x[0].shape(), *x[1].shape()], |[a, b]| {
                ops::join::backward(cx, joined()?.1, d_y.clone(), &mut [a, b])
            })?;
            Ok([vec![forward()?.0, d_y.clone()], grads, of_parts].concat())
        });
    }
}

#[test]
fn single_places_and_stacks() {
    for (dims, axis, place) in
        [(vec![4, 6], 1, 3), (vec![3, 5, 16], 1, 0), (vec![2, 64, 24], 2, 23), (vec![7], 0, 6), (vec![5, 8], 0, 2)]
    {
        let mut part = dims.clone();
        part.remove(axis);
        check(&[numbers(&dims, 1), numbers(&part, 2), numbers(&part, 3)], |cx, x| {
            let forward = || ops::at::forward_saving(cx, &x[0], axis, place);
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::at::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            let stacked = || ops::stack::forward_saving(cx, &[&x[1], &x[2]], axis);
            let d_y = stacked()?.0;
            let of_parts = both(cx, [*x[1].shape(), *x[2].shape()], |[a, b]| {
                ops::stack::backward(cx, stacked()?.1, d_y.clone(), &mut [a, b])
            })?;
            Ok([vec![forward()?.0, d_y.clone()], grads, of_parts].concat())
        });
    }
}

#[test]
fn transposes() {
    for (dims, a, b) in [
        (vec![5, 7], 0, 1),
        (vec![70, 33], 0, 1),
        (vec![3, 40, 50], 1, 2),
        (vec![4, 5, 6], 0, 2),
        (vec![2, 3, 4, 8], 1, 2),
        (vec![3, 4], 1, 1),
    ] {
        check(&[numbers(&dims, 1)], |cx, x| {
            let y = ops::transpose::forward(cx, &x[0], a, b)?;
            let grads = both(cx, [*x[0].shape()], |[d_x]| {
                let (_, saved) = ops::transpose::forward_saving(cx, &x[0], a, b)?;
                ops::transpose::backward(cx, saved, y.clone(), d_x)
            })?;
            Ok([vec![y.clone()], grads].concat())
        });
    }
}

#[test]
fn masks_and_constants() {
    check(&[numbers(&[5, 37], 1)], |cx, x| {
        let ids = Tensor::from_slice(&[0u32, 7, 36, 9, 40], [5])?;
        let again = Tensor::from_slice(&[0u32, 8, 35, 9, u32::MAX], [5])?;
        use ops::Comparison::*;
        let mut all = vec![x[0].clone(), ops::arange::forward(cx, 37)?, ops::eye::forward(cx, 5)?, cx.filled([3], 0.5)?];
        all.extend([ops::length_mask::forward(cx, 37, &ids)?, ops::one_hot::forward(cx, 41, &ids)?]);
        for comparison in [Greater, AtLeast, Less, AtMost, Equal, Unequal] {
            all.push(ops::compare_ids::forward(cx, comparison, &ids, &again)?);
            all.push(ops::compare_ids::forward(cx, comparison, &ids, 9.0)?);
            all.push(ops::compare_ids::forward(cx, comparison, &ids, -0.5)?);
        }
        Ok(all)
    });
}
