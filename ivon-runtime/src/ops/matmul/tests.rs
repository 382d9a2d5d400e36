use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 2, 3, 4]), numbers([2, 2, 4, 5])],
        [numbers([3, 2, 37, 65]), numbers([3, 2, 65, 131])],
        1e-5, // of sums of up to 131 products
        |cx, [a, b]| forward_saving(cx, a, b),
        |cx, saved, d_c, [d_a, d_b]| backward(cx, saved, d_c, d_a, d_b)
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let b = Tensor::from_slice(&[5.0f32, 6.0, 7.0, 8.0], [2, 2]).unwrap();
    assert_eq!(forward(&cx, &a, &b).unwrap().as_slice::<f32>(), [19.0, 22.0, 43.0, 50.0]);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[4, 5])), &["matmul", "[2, 3]", "[4, 5]"]);
    refused(forward(&cx, &of(&[2, 2, 3]), &of(&[3, 3, 5])), &["[2, 2, 3]", "[3, 3, 5]"]);
    refused(forward(&cx, &of(&[3]), &of(&[3, 5])), &["`a` is [3]", "2 dimensions"]);
}
