use super::*;
use crate::ops::shared::specification::{f32_context, gradients, numbers, precision, refused};
use crate::ops::{squeeze, unsqueeze};

#[test]
fn gradients_and_precision() {
    // It costs nothing, and so opens no scope.
    let forward_saving = |cx: &Context, [x]: [&Tensor; 1]| forward_saving(cx, x, &[x.shape().elements() / 6, 6]);
    let backward = |cx: &Context, saved, d_y, [d_x]: [&mut Adjoint; 1]| backward(cx, saved, d_y, d_x);
    gradients([numbers([2, 3, 4])], forward_saving, backward);
    precision([numbers([14, 3, 21])], 0.0, forward_saving, backward);
}

#[test]
fn an_axis_of_size_one_goes_and_comes_with_its_gradient() {
    gradients(
        [numbers([2, 1, 3])],
        |cx, [x]| squeeze::forward_saving(cx, x, 1),
        |cx, saved, d_y, [d_x]| squeeze::backward(cx, saved, d_y, d_x),
    );
    gradients(
        [numbers([2, 3])],
        |cx, [x]| unsqueeze::forward_saving(cx, x, 1),
        |cx, saved, d_y, [d_x]| unsqueeze::backward(cx, saved, d_y, d_x),
    );
}

#[test]
fn keeps_the_order_and_shares_the_memory() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let y = forward(&f32_context(), &x, &[3, 2]).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!(!y.is_unique());
}

#[test]
fn another_number_of_elements_is_refused() {
    let cx = f32_context();
    let x = cx.zeros([2, 3]).unwrap();
    refused(forward(&cx, &x, &[4, 2]), &["reshape", "[2, 3]", "[4, 2]"]);
    refused(forward(&cx, &x, &[1, 1, 1, 1, 1, 1, 6]), &["7 dimensions"]);
}
