use super::*;
use crate::core::shape::Shape;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for order in [[0, 2, 1, 3], [0, 2, 3, 1], [3, 0, 1, 2], [3, 2, 1, 0], [1, 3, 0, 2]] {
        specify!(
            [numbers([2, 3, 2, 3])],
            [numbers([5, 7, 31, 19])],
            1e-7, // rounding of the made-up inputs
            |cx, [x]| forward_saving(cx, x, &order),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn every_order_of_four_axes() {
    let cx = f32_context();
    let dims = [2, 3, 4, 5];
    let x = Tensor::from_slice(&(0..120).map(|i| i as f32).collect::<Vec<_>>(), dims).unwrap();
    for code in 0..256usize {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        let Ok(y) = forward(&cx, &x, &order) else { continue };
        assert_eq!(y.shape(), &Shape::new(&order.map(|axis| dims[axis])));
        let strides = [60, 20, 5, 1];
        for (i, found) in y.as_slice::<f32>().iter().enumerate() {
            let (mut rest, mut from) = (i, 0);
            for axis in order.iter().rev() {
                from += rest % dims[*axis] * strides[*axis];
                rest /= dims[*axis];
            }
            assert_eq!(*found, from as f32, "{order:?}, element {i}");
        }
    }
}

#[test]
fn what_is_no_order_of_the_axes_is_refused() {
    let cx = f32_context();
    let x = cx.zeros([2, 3, 4]).unwrap();
    for order in [&[0, 1][..], &[0, 1, 1], &[0, 1, 3], &[0, 1, 2, 3]] {
        refused(forward(&cx, &x, order), &["permute", "[2, 3, 4]", "once"]);
    }
}
