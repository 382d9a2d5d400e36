use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axis in 0..3 {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            1e-7, // rounding of the made-up inputs
            |cx, [x]| forward_saving(cx, x, axis, 2),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn takes_one_place() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let y = forward(&cx, &x, 1, 2).unwrap();
    assert_eq!((y.shape(), y.as_slice::<f32>()), (&Shape::new(&[2]), &[3.0, 6.0][..]));
    let y = forward(&cx, &x, 0, 1).unwrap();
    assert_eq!((y.shape(), y.as_slice::<f32>()), (&Shape::new(&[3]), &[4.0, 5.0, 6.0][..]));
}

#[test]
fn a_place_beyond_the_axis_is_refused() {
    let cx = f32_context();
    let x = cx.zeros([2, 3]).unwrap();
    refused(forward(&cx, &x, 1, 3), &["at", "place 3", "[2, 3]", "0..3"]);
    refused(forward(&cx, &x, 2, 0), &["axis 2"]);
}
