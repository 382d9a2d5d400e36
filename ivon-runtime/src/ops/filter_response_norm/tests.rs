use super::*;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 2, 5]), numbers([5]), numbers([5]), numbers([5])],
        [numbers([3, 7, 9, 18]), numbers([18]), numbers([18]), numbers([18])],
        2e-5,
        |cx, [x, gain, bias, threshold]| forward_saving(cx, x, gain, bias, Some(threshold), 1e-6),
        |cx, saved, d_y, [d_x, d_gain, d_bias, d_threshold]| backward(cx, saved, d_y, d_x, d_gain, d_bias, d_threshold)
    );
}

#[test]
fn gradients_and_precision_without_a_threshold() {
    specify!(
        [numbers([2, 3, 2, 5]), numbers([5]), numbers([5])],
        [numbers([3, 7, 9, 18]), numbers([18]), numbers([18])],
        2e-5,
        |cx, [x, gain, bias]| forward_saving(cx, x, gain, bias, None, 0.5),
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_gain, d_bias, &mut Adjoint::skip())
    );
}

#[test]
fn known_values() {
    let cx = f64_context();
    let of = |x: &[f64]| Tensor::from_slice(x, [2]).unwrap();
    // Two places of two channels: the mean squares are 25 and 4, with eps = 11 they are 36 and 15.
    let x = Tensor::from_slice(&[1.0f64, 2.0, 7.0, -2.0], [1, 2, 1, 2]).unwrap();
    let (gain, bias, threshold) = (of(&[6.0, 15f64.sqrt()]), of(&[0.0, 1.0]), of(&[2.0, -0.5]));
    let y = forward(&cx, &x, &gain, &bias, Some(&threshold), 11.0).unwrap().to_f64();
    assert!(y.iter().zip([2.0, 3.0, 7.0, -0.5]).all(|(y, expected)| (y - expected).abs() < 1e-12), "{y:?}");
    let y = forward(&cx, &x, &gain, &bias, None, 11.0).unwrap().to_f64();
    assert!(y.iter().zip([1.0, 3.0, 7.0, -1.0]).all(|(y, expected)| (y - expected).abs() < 1e-12), "{y:?}");
}

#[test]
fn an_image_does_not_see_the_others_of_its_batch() {
    let cx = f32_context();
    let tensor = |shape: &[usize], seed| crate::ops::gradcheck::tensor(&cx, shape, seed).unwrap();
    let [gain, bias, threshold] = [1, 2, 3].map(|seed| tensor(&[5], seed));
    let both = tensor(&[2, 4, 3, 5], 4);
    let first = Tensor::from_slice(&both.as_slice::<f32>()[..60], [1, 4, 3, 5]).unwrap();
    let of = |x: &Tensor| forward(&cx, x, &gain, &bias, Some(&threshold), 1e-6).unwrap().to_f64();
    assert_eq!(of(&first), of(&both)[..60]);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let x = of(&[2, 3, 3, 6]);
    refused(
        forward(&cx, &x, &of(&[6]), &of(&[6]), Some(&of(&[1])), 1e-6),
        &["filter_response_norm", "`threshold` is [1]", "[6]"],
    );
    refused(forward(&cx, &of(&[3, 6]), &of(&[6]), &of(&[6]), None, 1e-6), &["`x` is [3, 6]", "[B, H, W, C]"]);
    refused(forward(&cx, &x, &of(&[6]), &of(&[6]), None, -1.0), &["`eps` is -1"]);
}
