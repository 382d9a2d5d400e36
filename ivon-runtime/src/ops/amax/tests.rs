use super::*;
use crate::ops::amin;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    for axes in [Axes::from(None), Some(0).into(), Some(1).into(), Some(2).into(), [0, 2].into(), Axes::from([1, 2]).keep()] {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            1e-6,
            |cx, [x]| forward_saving(cx, x, axes),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}

/// The numbers are those of `torch.amax` and `torch.amin`.
#[test]
fn equal_ones_share_the_gradient() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 3.0, 3.0, 2.0, 2.0, 2.0], [2, 3]).unwrap();
    let gradient = |axes: Axes, smallest: bool, d_y: &[f32]| {
        let mut d_x = Adjoint::new();
        let (y, saved) = match smallest {
            false => forward_saving(&cx, &x, axes).unwrap(),
            true => amin::forward_saving(&cx, &x, axes).unwrap(),
        };
        backward(&cx, saved, Tensor::from_slice(d_y, *y.shape()).unwrap(), &mut d_x).unwrap();
        (y.as_slice::<f32>().to_vec(), d_x.into_option().unwrap().as_slice::<f32>().to_vec())
    };
    assert_eq!(gradient(Some(1).into(), false, &[1.0, 3.0]), (vec![3.0, 2.0], vec![0.0, 0.5, 0.5, 1.0, 1.0, 1.0]));
    assert_eq!(gradient(Some(1).into(), true, &[1.0, 3.0]), (vec![1.0, 2.0], vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
    assert_eq!(gradient(Some(0).into(), false, &[1.0, 2.0, 4.0]), (vec![2.0, 3.0, 3.0], vec![0.0, 2.0, 4.0, 1.0, 0.0, 0.0]));
    assert_eq!(gradient(None.into(), false, &[1.0]), (vec![3.0], vec![0.0, 0.5, 0.5, 0.0, 0.0, 0.0]));
}

#[test]
fn nan_comes_through() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0, f32::NAN, 3.0, 2.0, f32::INFINITY, 0.0], [2, 3]).unwrap();
    let (y, saved) = forward_saving(&cx, &x, Some(1)).unwrap();
    assert!(y.as_slice::<f32>()[0].is_nan() && y.as_slice::<f32>()[1] == f32::INFINITY);
    let mut d_x = Adjoint::new();
    backward(&cx, saved, cx.filled([2], 1.0).unwrap(), &mut d_x).unwrap();
    let d_x = d_x.into_option().unwrap();
    assert!(d_x.as_slice::<f32>()[..3].iter().all(|d| d.is_nan()));
    assert_eq!(d_x.as_slice::<f32>()[3..], [0.0, 1.0, 0.0]);
}

#[test]
fn nothing_has_no_largest() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2, 0]).unwrap(), Some(1)), &["amax", "[2, 0]"]);
    refused(forward(&cx, &cx.zeros([2, 3]).unwrap(), Some(2)), &["amax", "axis 2", "[2, 3]"]);
}
