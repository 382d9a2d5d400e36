use super::*;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), numbers([2, 3, 5]), numbers([2, 3, 5])],
        [numbers([7, 53, 131]), numbers([7, 53, 131]), numbers([7, 53, 131])],
        2e-6,
        |cx, [mean, log_variance, y]| forward_saving(cx, mean, log_variance, y),
        |cx, saved, d_loss, [d_mean, d_log_variance, d_y]| backward(cx, saved, d_loss, d_mean, d_log_variance, d_y)
    );
}

#[test]
fn is_minus_the_logarithm_of_the_density() {
    let cx = f64_context();
    let of = |x: f64| Tensor::from_slice(&[x], [1]).unwrap();
    // N(3; 1, 4) = e^(-4 / 8) / sqrt(8 π)
    let density = (-0.5f64).exp() / (8.0 * std::f64::consts::PI).sqrt();
    let loss = forward(&cx, &of(1.0), &of(4f64.ln()), &of(3.0)).unwrap().item().unwrap();
    assert!((loss + density.ln()).abs() < 1e-12);
}

#[test]
fn shapes_that_differ_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2]), &of(&[2]), &of(&[3])), &["gaussian_nll", "`mean` is [2]", "`y` is [3]"]);
    refused(forward(&cx, &of(&[2]), &of(&[1]), &of(&[2])), &["`log_variance` is [1]"]);
}
