use super::*;
use crate::ops::shared::specification::{Input, f32_context, f64_context, ids, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), Input::Ids([2, 3].into(), vec![0, 4, IGNORE, 2, 2, 1])],
        [numbers([7, 53, 131]), ids([7, 53], 131)],
        1e-6,
        |cx, [logits, targets]| forward_saving(cx, logits, targets, 0.1),
        |cx, saved, d_loss, [d_logits, _]| backward(cx, saved, d_loss, d_logits)
    );
}

#[test]
fn is_the_cross_entropy_with_a_smoothed_distribution() {
    let cx = f64_context();
    let z = [1.0f64, -2.0, 0.5];
    let (logits, targets) = (Tensor::from_slice(&z, [1, 3]).unwrap(), Tensor::from_slice(&[1u32], [1]).unwrap());
    let sum: f64 = z.iter().map(|z| z.exp()).sum();
    let exact: f64 = z.iter().zip([0.1, 0.8, 0.1]).map(|(z, p)| -p * (z.exp() / sum).ln()).sum();
    let loss = forward(&cx, &logits, &targets, 0.3).unwrap().item().unwrap();
    assert!((loss - exact).abs() < 1e-12, "{loss} and {exact}");
}

#[test]
fn smoothing_out_of_range_is_refused() {
    let cx = f32_context();
    let (logits, targets) = (cx.zeros([1, 3]).unwrap(), Tensor::from_slice(&[1u32], [1]).unwrap());
    refused(forward(&cx, &logits, &targets, 1.5), &["cross_entropy_smoothed", "`smoothing` is 1.5", "0 to 1"]);
    refused(forward(&cx, &logits, &targets, f64::NAN), &["`smoothing` is NaN"]);
}
