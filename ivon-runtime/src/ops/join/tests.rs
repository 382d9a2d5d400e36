use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 1, 3]), numbers([2, 3, 3]), numbers([2, 2, 3])],
        [numbers([29, 11, 37]), numbers([29, 3, 37]), numbers([29, 40, 37])],
        1e-7, // rounding of the made-up inputs
        |cx, xs| forward_saving(cx, &xs, 1),
        |cx, saved, d_y, mut d_xs| backward(cx, saved, d_y, &mut d_xs)
    );
    specify!(
        [numbers([2, 3]), numbers([1, 3])],
        [numbers([333, 61]), numbers([7, 61])],
        1e-7,
        |cx, xs| forward_saving(cx, &xs, 0),
        |cx, saved, d_y, mut d_xs| backward(cx, saved, d_y, &mut d_xs)
    );
}

#[test]
fn puts_one_after_the_other() {
    let cx = f32_context();
    let a = Tensor::from_slice(&[1.0f32, 2.0], [2, 1]).unwrap();
    let b = Tensor::from_slice(&[3.0f32, 4.0, 5.0, 6.0], [2, 2]).unwrap();
    let y = forward(&cx, &[&a, &b], 1).unwrap();
    assert_eq!((y.shape(), y.as_slice::<f32>()), (&Shape::new(&[2, 3]), &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0][..]));
}

#[test]
fn parts_that_differ_elsewhere_are_refused() {
    let cx = f32_context();
    let (a, b, c) = (cx.zeros([2, 3]).unwrap(), cx.zeros([3, 3]).unwrap(), cx.zeros([2]).unwrap());
    refused(forward(&cx, &[&a, &b], 1), &["join", "[2, 3]", "[3, 3]", "axis 1"]);
    refused(forward(&cx, &[&a, &c], 1), &["[2, 3]", "[2]"]);
    refused(forward(&cx, &[&a, &c], 0), &["[2, 3]", "[2]"]);
    refused(forward(&cx, &[], 0), &["nothing to concatenate"]);
}
