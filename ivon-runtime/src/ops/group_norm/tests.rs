use super::*;
use crate::ops::layer_norm;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for groups in [1, 2, 6] {
        specify!(
            [numbers([2, 3, 2, 6]), numbers([6]), numbers([6])],
            [numbers([3, 7, 9, 18]), numbers([18]), numbers([18])],
            2e-5,
            |cx, [x, gain, bias]| forward_saving(cx, groups, x, gain, bias, 1e-5),
            |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_gain, d_bias)
        );
    }
}

#[test]
fn known_values() {
    let cx = f64_context();
    // One image of two places; groups of channels {0, 1} and {2}.
    let x = Tensor::from_slice(&[1.0f64, 3.0, 10.0, 20.0, 5.0, 7.0, 10.0, 40.0], [1, 1, 2, 4]).unwrap();
    let (gain, bias) = (Tensor::from_slice(&[1.0f64, 2.0, 1.0, 1.0], [4]).unwrap(), cx.filled([4], 0.5).unwrap());
    let y = forward(&cx, 2, &x, &gain, &bias, 11.0).unwrap().to_f64();
    // 1, 3, 5, 7 have mean 4 and variance 5, and 5 + 11 is 16; 10, 20, 10, 40 have mean 20 and variance 150.
    let far = 161f64.sqrt();
    let expected =
        [-3.0 / 4.0, -2.0 / 4.0, -10.0 / far, 0.0, 1.0 / 4.0, 2.0 * 3.0 / 4.0, -10.0 / far, 20.0 / far].map(|y: f64| y + 0.5);
    assert!(y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-12), "{y:?}");
}

#[test]
fn one_group_and_one_place_is_layer_norm() {
    let cx = f64_context();
    let tensor = |shape: &[usize], seed| crate::ops::gradcheck::tensor(&cx, shape, seed).unwrap();
    let (x, gain, bias) = (tensor(&[5, 1, 1, 7], 1), tensor(&[7], 2), tensor(&[7], 3));
    let ours = forward(&cx, 1, &x, &gain, &bias, 1e-5).unwrap().to_f64();
    let theirs = layer_norm::forward(&cx, &x, &gain, Some(&bias), 1e-5).unwrap().to_f64();
    assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(
        forward(&cx, 4, &of(&[2, 3, 3, 6]), &of(&[6]), &of(&[6]), 1e-5),
        &["group_norm", "4 groups do not divide its 6 channels"],
    );
    refused(forward(&cx, 2, &of(&[2, 3, 6]), &of(&[6]), &of(&[6]), 1e-5), &["`x` is [2, 3, 6]", "[B, H, W, C]"]);
    refused(forward(&cx, 2, &of(&[2, 3, 3, 6]), &of(&[6]), &of(&[3]), 1e-5), &["`bias` is [3]", "[6]"]);
}
