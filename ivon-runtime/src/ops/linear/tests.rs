use super::*;
use crate::ops::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision_with_a_bias() {
    specify!(
        [numbers([2, 3, 4]), numbers([5, 4]), numbers([5])],
        [numbers([7, 53, 67]), numbers([129, 67]), numbers([129])],
        2e-5, // of sums of 371 products
        |cx, [x, weight, bias]| forward_saving(cx, x, weight, Some(bias)),
        |cx, saved, d_y, [d_x, d_weight, d_bias]| backward(cx, saved, d_y, d_x, d_weight, d_bias)
    );
}

#[test]
fn gradients_and_precision_without_a_bias() {
    specify!(
        [numbers([4]), numbers([3, 4])],
        [numbers([371, 67]), numbers([129, 67])],
        2e-5, // of sums of 371 products
        |cx, [x, weight]| forward_saving(cx, x, weight, None),
        |cx, saved, d_y, [d_x, d_weight]| backward(cx, saved, d_y, d_x, d_weight, &mut Adjoint::skip())
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2]).unwrap();
    let weight = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]).unwrap();
    let bias = Tensor::from_slice(&[10.0f32, 20.0, 30.0], [3]).unwrap();
    let y = forward(&cx, &x, &weight, Some(&bias)).unwrap();
    assert_eq!((&y.shape()[..], y.as_slice::<f32>()), (&[1, 3][..], &[11.0, 22.0, 33.0][..]));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[5, 4]), None), &["linear", "`x` is [2, 3]", "`weight` is [5, 4]", "must be 4"]);
    refused(forward(&cx, &of(&[2, 4]), &of(&[5, 4]), Some(&of(&[4]))), &["`bias` is [4]", "[5]"]);
    refused(forward(&cx, &of(&[2, 4]), &of(&[4]), None), &["`weight` is [4]"]);
    refused(forward(&cx, &of(&[]), &of(&[5, 4]), None), &["`x` is []"]);
}
