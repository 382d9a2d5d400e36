use super::*;
use crate::context::cache::Cache;
use crate::ops::gradcheck::tensor;
use crate::ops::grouped_attention;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 5, 12])],
        [numbers([2, 150, 3 * 20])],
        3e-7, // cosines and sines are computed in f64
        |cx, [x]| forward_saving(cx, if x.dim(2) == 12 { 2 } else { 3 }, x, 10000.0),
        |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn is_what_the_formula_says() {
    let cx = f64_context();
    let x = tensor(&cx, [2, 7, 12], 1).unwrap();
    let (found, x) = (forward(&cx, 2, &x, 500.0).unwrap().to_f64(), x.to_f64());
    for row in 0..28 {
        for i in 0..3 {
            let angle = (row / 2 % 7) as f64 * 500f64.powf(-2.0 * i as f64 / 6.0);
            let (a, b) = (x[row * 6 + i], x[row * 6 + i + 3]);
            assert!((found[row * 6 + i] - (a * angle.cos() - b * angle.sin())).abs() < 1e-14);
            assert!((found[row * 6 + i + 3] - (b * angle.cos() + a * angle.sin())).abs() < 1e-14);
        }
    }
}

/// The first position of a pass with a cache comes after those in it.
#[test]
fn positions_go_on_after_a_cache() {
    let cx = f64_context();
    let x = tensor(&cx, [1, 6, 8], 1).unwrap();
    let expected = forward(&cx, 2, &x, 10000.0).unwrap().to_f64();
    let mut cache = Cache::new(6);
    for ends in [0..4, 4..6] {
        let part = Tensor::from_slice(&x.to_f64()[ends.start * 8..ends.end * 8], [1, ends.len(), 8]).unwrap();
        let found = cx.cached(&mut cache, |cx| {
            let y = forward(cx, 2, &part, 10000.0)?;
            grouped_attention::forward(cx, 2, 2, &y, &y, &y, None, None, None, None, true, 0, 0.0)?;
            Ok(y)
        });
        assert_eq!(found.unwrap().to_f64(), expected[ends.start * 8..ends.end * 8]);
    }
}

#[test]
fn widths_that_do_not_fit_are_refused() {
    let cx = f32_context();
    refused(forward(&cx, 4, &cx.zeros([2, 3, 20]).unwrap(), 1e4), &["rotary", "[2, 3, 20]", "HEADS = 4", "even"]);
    refused(forward(&cx, 0, &cx.zeros([2, 3, 20]).unwrap(), 1e4), &["HEADS = 0"]);
    refused(forward(&cx, 2, &cx.zeros([2, 3, 20]).unwrap(), 0.0), &["base", "0"]);
    refused(forward(&cx, 2, &cx.zeros([3, 20]).unwrap(), 1e4), &["[3, 20]"]);
}
