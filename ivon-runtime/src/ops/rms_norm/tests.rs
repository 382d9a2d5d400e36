use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), numbers([5])],
        [numbers([7, 53, 131]), numbers([131])],
        1e-5, // d_gain sums 371 rows
        |cx, [x, gain]| forward_saving(cx, x, gain, 1e-5),
        |cx, saved, d_y, [d_x, d_gain]| backward(cx, saved, d_y, d_x, d_gain)
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 7.0], [2]).unwrap();
    let gain = Tensor::from_slice(&[2.0f32, 3.0], [2]).unwrap();
    // The mean of the squares is 25, and 36 with eps = 11.
    let y = forward(&cx, &x, &gain, 11.0).unwrap().to_f64();
    assert!((y[0] - 2.0 / 6.0).abs() < 1e-7 && (y[1] - 21.0 / 6.0).abs() < 1e-6);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[4]), 1e-5), &["rms_norm", "`gain` is [4]", "[3]"]);
}
