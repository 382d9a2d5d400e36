use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([7, 53, 131]), numbers([131]), numbers([131])],
        1e-5, // d_gain sums 371 rows
        |cx, [x, gain, bias]| forward_saving(cx, x, gain, Some(bias), 1e-5),
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_gain, d_bias)
    );
}

#[test]
fn gradients_and_precision_without_a_bias() {
    specify!(
        [numbers([3, 5]), numbers([5])],
        [numbers([371, 131]), numbers([131])],
        1e-5, // d_gain sums 371 rows
        |cx, [x, gain]| forward_saving(cx, x, gain, None, 0.1),
        |cx, saved, d_y, [d_x, d_gain]| backward(cx, saved, d_y, d_x, d_gain, &mut Adjoint::skip())
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 3.0], [1, 2]).unwrap();
    let gain = Tensor::from_slice(&[2.0f32, 3.0], [2]).unwrap();
    let bias = Tensor::from_slice(&[10.0f32, 20.0], [2]).unwrap();
    // Mean 2, variance 1: x̂ is -1/2 and 1/2 with eps = 3.
    assert_eq!(forward(&cx, &x, &gain, Some(&bias), 3.0).unwrap().as_slice::<f32>(), [9.0, 21.5]);
}

#[test]
fn a_large_mean_does_not_hide_the_variance() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[4096.0f32, 4097.0, 4098.0, 4099.0], [4]).unwrap();
    let ones = Tensor::from_slice(&[1.0f32; 4], [4]).unwrap();
    let y = forward(&cx, &x, &ones, None, 0.0).unwrap().to_f64();
    let r = 1.25f64.sqrt();
    for (y, exact) in y.iter().zip([-1.5 / r, -0.5 / r, 0.5 / r, 1.5 / r]) {
        assert!((y - exact).abs() < 1e-6);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[4]), None, 1e-5), &["layer_norm", "`gain` is [4]", "[3]", "[2, 3]"]);
    refused(forward(&cx, &of(&[2, 3]), &of(&[3]), Some(&of(&[2])), 1e-5), &["`bias` is [2]"]);
    refused(forward(&cx, &of(&[2, 3]), &of(&[3]), None, -1.0), &["`eps` is -1"]);
}
