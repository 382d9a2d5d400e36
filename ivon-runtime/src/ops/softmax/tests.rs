use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5])],
        [numbers([7, 53, 131])],
        2e-6, // d_x sums 131 terms
        |cx, [x]| forward_saving(cx, x),
        |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn large_numbers_do_not_overflow() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1000.0f32, 1000.0, -1000.0], [3]).unwrap();
    assert_eq!(forward(&cx, &x).unwrap().as_slice::<f32>(), [0.5, 0.5, 0.0]);
}

#[test]
fn a_scalar_is_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([]).unwrap()), &["softmax", "`x` is []", "1 dimension"]);
}
