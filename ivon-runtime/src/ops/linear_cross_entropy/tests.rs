use super::*;
use crate::ops::shared::specification::{f32_context, ids, numbers, refused, specify};
use crate::ops::{cross_entropy, linear};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 4]), numbers([5, 4]), ids([2, 3], 5)],
        [numbers([7, 53, 67]), numbers([131, 67]), ids([7, 53], 131)],
        2e-5, // of sums of 371 products
        |cx, [x, weight, targets]| forward_saving(cx, x, weight, targets),
        |cx, saved, d_loss, [d_x, d_weight, _]| backward(cx, saved, d_loss, d_x, d_weight)
    );
}

#[test]
fn it_is_cross_entropy_of_linear() {
    let cx = f32_context();
    let numbers = |dims: [usize; 2], shift: f32| {
        let all: Vec<f32> = (0..dims[0] * dims[1]).map(|i| (1.7 * (i * i) as f32 + shift).sin()).collect();
        Tensor::from_slice(&all, dims).unwrap()
    };
    let (x, weight) = (numbers([6, 8], 0.1), numbers([11, 8], 0.2));
    let targets = Tensor::from_slice(&[0u32, 10, 3, cross_entropy::IGNORE, 3, 7], [6]).unwrap();
    let logits = linear::forward(&cx, &x, &weight, None).unwrap();
    let expected = cross_entropy::forward(&cx, &logits, &targets).unwrap().item().unwrap();
    assert_eq!(forward(&cx, &x, &weight, &targets).unwrap().item().unwrap(), expected);
}

#[test]
fn what_does_not_fit_is_refused() {
    let cx = f32_context();
    let (x, targets) = (Tensor::from_slice(&[0.0f32; 6], [2, 3]).unwrap(), Tensor::from_slice(&[0u32, 5], [2]).unwrap());
    let weight = |dims: &[usize]| Tensor::from_slice(&vec![0.0f32; dims.iter().product()], dims).unwrap();
    refused(forward(&cx, &x, &weight(&[5, 4]), &targets), &["the last dimension of `x` must be 4"]);
    refused(forward(&cx, &x, &weight(&[15]), &targets), &["[CLASSES, IN]"]);
    let error = forward(&cx, &x, &weight(&[5, 3]), &targets).unwrap_err();
    assert!(error.to_string().contains('5'), "{error}");
}
