use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for (a, b) in [(0, 1), (0, 2), (1, 2), (2, 1), (1, 3), (0, 3), (2, 2)] {
        specify!(
            [numbers([2, 3, 2, 3])],
            [numbers([5, 7, 31, 19])],
            1e-7, // rounding of the made-up inputs
            |cx, [x]| forward_saving(cx, x, a, b),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn exchanges_rows_and_columns() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let y = forward(&cx, &x, 0, 1).unwrap();
    assert_eq!((y.shape(), y.as_slice::<f32>()), (&Shape::new(&[3, 2]), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..]));
}

#[test]
fn exchanges_outer_axes_of_many() {
    let cx = f32_context();
    let shape = Shape::new(&[3, 4, 5, 6]);
    let x: Vec<f32> = (0..360).map(|i| i as f32).collect();
    let x = Tensor::from_slice(&x, shape).unwrap();
    let y = forward(&cx, &x, 1, 3).unwrap();
    assert_eq!(*y.shape(), Shape::new(&[3, 6, 5, 4]));
    for (i, value) in y.as_slice::<f32>().iter().enumerate() {
        let (o, d, c, b) = (i / 120, i / 20 % 6, i / 4 % 5, i % 4);
        assert_eq!(*value, (((o * 4 + b) * 5 + c) * 6 + d) as f32);
    }
}

#[test]
fn an_axis_that_is_not_there_is_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2, 3]).unwrap(), 0, 2), &["transpose", "axis 2", "[2, 3]"]);
}
