use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

fn specified([kernel, stride, padding]: [usize; 3], small: [usize; 4], large: [usize; 4]) {
    specify!(
        [numbers(small)],
        [numbers(large)],
        1e-6,
        |cx, [x]| forward_saving(cx, kernel, stride, padding, x),
        |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn gradients_and_precision() {
    specified([2, 2, 0], [2, 4, 6, 2], [3, 10, 8, 17]);
    specified([3, 2, 1], [2, 5, 4, 3], [2, 23, 22, 64]); // windows overlap and lie in the padding
    specified([2, 3, 1], [1, 7, 5, 2], [2, 12, 13, 5]); // pixels that no window sees
    specified([3, 1, 0], [1, 3, 5, 1], [2, 7, 9, 33]);
    specified([1, 1, 0], [1, 2, 2, 2], [0, 2, 2, 2]);
}

/// PyTorch 2: `torch.nn.functional.max_pool2d` of `arange(40) * 5 % 7` with a kernel of 3, stride 2, padding 1.
#[test]
fn known_values() {
    let cx = f32_context();
    let x: Vec<f32> = (0..40).map(|i| (i * 5 % 7) as f32).collect();
    let y = forward(&cx, 3, 2, 1, &Tensor::from_slice(&x, [1, 4, 5, 2]).unwrap()).unwrap();
    assert_eq!(&y.shape()[..], [1, 2, 3, 2]);
    assert_eq!(y.as_slice::<f32>(), [4.0, 6.0, 6.0, 5.0, 6.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]);
}

#[test]
fn the_first_of_equal_elements_gets_the_gradient() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 2.0, 2.0], [1, 2, 2, 1]).unwrap();
    let (_, saved) = forward_saving(&cx, 2, 2, 0, &x).unwrap();
    let mut d_x = Adjoint::new();
    backward(&cx, saved, Tensor::from_slice(&[3.0f32], [1, 1, 1, 1]).unwrap(), &mut d_x).unwrap();
    assert_eq!(d_x.into_option().unwrap().as_slice::<f32>(), [0.0, 3.0, 0.0, 0.0]);
}

#[test]
fn what_is_not_a_number_stays() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, f32::NAN, 2.0, f32::NEG_INFINITY], [1, 2, 2, 1]).unwrap();
    assert!(forward(&cx, 2, 2, 0, &x).unwrap().as_slice::<f32>()[0].is_nan());
    let x = Tensor::from_slice(&[f32::NEG_INFINITY; 4], [1, 2, 2, 1]).unwrap();
    assert_eq!(forward(&cx, 2, 2, 0, &x).unwrap().as_slice::<f32>(), [f32::NEG_INFINITY]);
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let x = cx.zeros([2, 5, 2, 3]).unwrap();
    refused(forward(&cx, 3, 1, 0, &x), &["max_pool2d", "width of 2", "kernel of 3"]);
    refused(forward(&cx, 3, 1, 2, &x), &["PADDING of 2", "KERNEL of 3"]);
    refused(forward(&cx, 2, 0, 0, &x), &["STRIDE is 0"]);
    refused(forward(&cx, 0, 1, 0, &x), &["KERNEL is 0"]);
    refused(forward(&cx, 2, 2, 0, &cx.zeros([5, 3]).unwrap()), &["`x` is [5, 3]", "[B, H, W, C]"]);
}
