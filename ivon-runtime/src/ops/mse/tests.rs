use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), numbers([2, 3, 5])],
        [numbers([7, 53, 131]), numbers([7, 53, 131])],
        1e-6,
        |cx, [x, y]| forward_saving(cx, x, y),
        |cx, saved, d_loss, [d_x, d_y]| backward(cx, saved, d_loss, d_x, d_y)
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [4]).unwrap();
    let y = Tensor::from_slice(&[1.0f32, 0.0, 3.0, 0.0], [4]).unwrap();
    assert_eq!(forward(&cx, &x, &y).unwrap().item().unwrap(), 5.0);
}

#[test]
fn shapes_that_differ_are_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2, 3]).unwrap(), &cx.zeros([3, 2]).unwrap()), &["mse", "[2, 3]", "[3, 2]"]);
    refused(forward(&cx, &cx.zeros([0]).unwrap(), &cx.zeros([0]).unwrap()), &["mse", "[0]"]);
}
