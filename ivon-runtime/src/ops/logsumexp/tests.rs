use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axes in [Axes::from(None), Some(0).into(), Some(1).into(), Some(2).into(), [0, 2].into(), Axes::from(Some(1)).keep()] {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            1e-4, // of sums of up to 65231 numbers
            |cx, [x]| forward_saving(cx, x, axes),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

#[test]
fn neither_large_numbers_nor_infinities_overflow() {
    let cx = f32_context();
    let inf = f32::INFINITY;
    let x = Tensor::from_slice(&[1000.0, 1000.0, -inf, -inf, inf, 0.0], [3, 2]).unwrap();
    let (y, saved) = forward_saving(&cx, &x, Some(1)).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1000.0 + std::f32::consts::LN_2, -inf, inf]);
    let mut d_x = Adjoint::new();
    backward(&cx, saved, cx.filled([3], 1.0).unwrap(), &mut d_x).unwrap();
    let d_x = d_x.into_option().unwrap();
    let d_x = d_x.as_slice::<f32>();
    assert!((d_x[0] - 0.5).abs() < 1e-4 && d_x[0] == d_x[1]); // y has an ulp of 6e-5
    assert_eq!(d_x[2..4], [0.0, 0.0]);
    refused(forward(&cx, &x, Some(2)), &["logsumexp", "axis 2", "[3, 2]"]);
}
