use super::*;
use crate::context::Pass;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

const PASS: Pass = Pass { seed: 7, step: 3, pass: 1 };

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([3, 50])],
        [numbers([7, 53, 131])],
        1e-6,
        |cx, [x]| {
            cx.set_training(true);
            cx.set_pass(PASS);
            forward_saving(cx, x, 0.3)
        },
        |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn a_share_of_the_elements_is_dropped_and_the_rest_scaled() {
    let cx = f32_context();
    cx.set_training(true);
    let x = Tensor::from_slice(&vec![1.0f32; 100_000], [100_000]).unwrap();
    let y = forward(&cx, &x, 0.2).unwrap();
    let dropped = y.as_slice::<f32>().iter().filter(|y| **y == 0.0).count();
    assert!(y.as_slice::<f32>().iter().all(|y| *y == 0.0 || *y == 1.25));
    // Five standard deviations of the binomial distribution.
    assert!((dropped as f64 - 20_000.0).abs() < 5.0 * (100_000.0f64 * 0.2 * 0.8).sqrt(), "{dropped} of 100000");
}

#[test]
fn calls_differ_and_a_pass_repeats() {
    let cx = f32_context();
    cx.set_training(true);
    let x = Tensor::from_slice(&[1.0f32; 200], [200]).unwrap();
    let two = || {
        cx.set_pass(PASS);
        [forward(&cx, &x, 0.5).unwrap().to_f64(), forward(&cx, &x, 0.5).unwrap().to_f64()]
    };
    let [first, second] = two();
    assert_ne!(first, second);
    assert_eq!([first, second], two());
}

#[test]
fn evaluation_and_a_rate_of_zero_leave_x_alone() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
    assert_eq!(forward(&cx, &x, 0.9).unwrap().as_slice::<f32>(), [1.0, 2.0]);
    cx.set_training(true);
    assert_eq!(forward(&cx, &x, 0.0).unwrap().as_slice::<f32>(), [1.0, 2.0]);
}

#[test]
fn a_rate_out_of_range_is_refused() {
    let cx = f32_context();
    let x = cx.zeros([2]).unwrap();
    for rate in [1.0, -0.1, f64::NAN] {
        refused(forward(&cx, &x, rate), &["dropout", "`rate`", "0 to below 1"]);
    }
}
