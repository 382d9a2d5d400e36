use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axis in [None, Some(0), Some(1), Some(2)] {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            2e-5, // of sums of up to 65231 numbers of either sign
            |cx, [x]| forward_saving(cx, x, axis),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let over = |axis| forward(&cx, &x, axis).unwrap();
    assert_eq!(over(None).item().unwrap(), 21.0);
    assert_eq!(over(Some(0)).as_slice::<f32>(), [5.0, 7.0, 9.0]);
    assert_eq!(over(Some(1)).as_slice::<f32>(), [6.0, 15.0]);
}

#[test]
fn an_axis_that_is_not_there_is_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2, 3]).unwrap(), Some(2)), &["sum", "axis 2", "[2, 3]"]);
}
