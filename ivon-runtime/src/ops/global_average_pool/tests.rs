use super::*;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 2, 5])],
        [numbers([3, 7, 9, 18])],
        2e-6,
        |cx, [x]| forward_saving(cx, x),
        |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn known_values() {
    let cx = f64_context();
    let x = Tensor::from_slice(&[1.0f64, 10.0, 3.0, 20.0, 5.0, 60.0, 7.0, 10.0], [2, 1, 2, 2]).unwrap();
    let y = forward(&cx, &x).unwrap();
    assert_eq!((&y.shape()[..], y.to_f64()), (&[2, 2][..], vec![2.0, 15.0, 6.0, 35.0]));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2, 3, 6]).unwrap()), &["global_average_pool", "`x` is [2, 3, 6]", "[B, H, W, C]"]);
}
