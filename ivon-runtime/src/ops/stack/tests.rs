use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axis in 0..3 {
        specify!(
            [numbers([2, 3]), numbers([2, 3]), numbers([2, 3])],
            [numbers([29, 37]), numbers([29, 37]), numbers([29, 37])],
            1e-7, // rounding of the made-up inputs
            |cx, xs| forward_saving(cx, &xs, axis),
            |cx, saved, d_y, mut d_xs| backward(cx, saved, d_y, &mut d_xs)
        );
    }
}

#[test]
fn puts_one_beside_the_other() {
    let cx = f32_context();
    let a = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
    let b = Tensor::from_slice(&[3.0f32, 4.0], [2]).unwrap();
    let y = forward(&cx, &[&a, &b], 1).unwrap();
    assert_eq!((y.shape(), y.as_slice::<f32>()), (&Shape::new(&[2, 2]), &[1.0, 3.0, 2.0, 4.0][..]));
    assert_eq!(forward(&cx, &[&a, &b], 0).unwrap().as_slice::<f32>(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn tensors_of_other_shapes_are_refused() {
    let cx = f32_context();
    let (a, b) = (cx.zeros([2, 3]).unwrap(), cx.zeros([3, 3]).unwrap());
    refused(forward(&cx, &[&a, &b], 1), &["stack", "[2, 3]", "[3, 3]"]);
    refused(forward(&cx, &[&a, &a], 3), &["0..=2", "3 is given"]);
    refused(forward(&cx, &[], 0), &["nothing to stack"]);
}
