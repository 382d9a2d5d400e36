use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    let cases: [(&[usize], &[usize]); 4] =
        [(&[2, 1, 3], &[37, 1, 41]), (&[1, 4, 1], &[1, 41, 1]), (&[3], &[43]), (&[4, 1], &[41, 1])];
    for (small, large) in cases {
        // Axes of size 1 become 4, and missing ones 5.
        let to = |x: &Tensor| {
            let mut dims: Vec<usize> = x.shape().iter().map(|d| if *d == 1 { 4 } else { *d }).collect();
            dims.splice(0..0, vec![5; 3 - dims.len()]);
            dims
        };
        specify!([numbers(small)], [numbers(large)], 2e-5, |cx, [x]| forward_saving(cx, x, &*to(x)), |cx, saved, d_y, [d_x]| {
            backward(cx, saved, d_y, d_x)
        });
    }
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2, 1]).unwrap();
    let y = forward(&cx, &x, [2, 2, 3]).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    refused(forward(&cx, &x, [3, 4]), &["expand", "[2, 1]", "[3, 4]"]);
    refused(forward(&cx, &x, [2]), &["expand", "[2, 1]", "[2]"]);
}
