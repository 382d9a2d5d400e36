use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axis in 0..3 {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            1e-7, // rounding of the made-up inputs
            |cx, [x]| forward_saving(cx, x, axis, 1..3),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn takes_the_range() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    assert_eq!(forward(&cx, &x, 1, 1..3).unwrap().as_slice::<f32>(), [2.0, 3.0, 5.0, 6.0]);
    assert_eq!(forward(&cx, &x, 0, 1..2).unwrap().as_slice::<f32>(), [4.0, 5.0, 6.0]);
    assert_eq!(*forward(&cx, &x, 1, 2..2).unwrap().shape(), Shape::new(&[2, 0]));
}

#[test]
fn a_range_that_exceeds_the_axis_is_refused() {
    let cx = f32_context();
    let x = cx.zeros([2, 3]).unwrap();
    refused(forward(&cx, &x, 1, 1..4), &["slice", "1..4", "[2, 3]"]);
    refused(forward(&cx, &x, 2, 0..1), &["axis 2"]);
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 2..1;
    refused(forward(&cx, &x, 1, reversed), &["2..1"]);
}
