use super::*;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 5, 3 * 2 * 3])],
        [numbers([2, 150, 3 * 3 * 37])],
        3e-6, // of sums of up to 150 products
        |cx, [qkv]| forward_saving(cx, if qkv.dim(2) == 18 { 2 } else { 3 }, qkv),
        |cx, saved, d_y, [d_qkv]| backward(cx, saved, d_y, d_qkv)
    );
}

#[test]
fn gradients_across_blocks() {
    specify!(
        [numbers([1, 67, 3])],
        [numbers([3, 65, 3 * 2 * 16])],
        3e-6,
        |cx, [qkv]| forward_saving(cx, if qkv.dim(2) == 3 { 1 } else { 2 }, qkv),
        |cx, saved, d_y, [d_qkv]| backward(cx, saved, d_y, d_qkv)
    );
}

#[test]
fn is_what_the_formula_says() {
    let cx = f64_context();
    for (batch, length, heads, size) in [(2, 1, 1, 4), (1, 7, 2, 3), (2, 130, 3, 20), (1, 64, 1, 64)] {
        let qkv = crate::ops::gradcheck::tensor(&cx, [batch, length, 3 * heads * size], 5).unwrap();
        let y = forward(&cx, heads, &qkv).unwrap().to_f64();
        let x = qkv.to_f64();
        let at = |part, b, t, h, d| x[(((b * length + t) * 3 + part) * heads + h) * size + d];
        for b in 0..batch {
            for h in 0..heads {
                for i in 0..length {
                    let keys = length;
                    let score = |j| (0..size).map(|d| at(0, b, i, h, d) * at(1, b, j, h, d)).sum::<f64>() / (size as f64).sqrt();
                    let weights: Vec<f64> = (0..keys).map(|j| score(j).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    for d in 0..size {
                        let exact: f64 = weights.iter().enumerate().map(|(j, w)| w / sum * at(2, b, j, h, d)).sum();
                        let found = y[((b * length + i) * heads + h) * size + d];
                        assert!((found - exact).abs() < 1e-12, "{found}, not {exact}");
                    }
                }
            }
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let cx = f32_context();
    // One head of size 1: q = k = 100, so that scores are 10000.
    let qkv = Tensor::from_slice(&[100.0f32, 100.0, 1.0, 100.0, 100.0, 3.0], [1, 2, 3]).unwrap();
    let y = forward(&cx, 1, &qkv).unwrap();
    assert_eq!(y.as_slice::<f32>(), [2.0, 2.0]);
}

#[test]
fn a_width_that_the_heads_do_not_divide_is_refused() {
    let cx = f32_context();
    refused(forward(&cx, 4, &cx.zeros([2, 3, 30]).unwrap()), &["attention", "[2, 3, 30]", "HEADS = 4", "multiple of 12"]);
    refused(forward(&cx, 0, &cx.zeros([2, 3, 30]).unwrap()), &["HEADS = 0"]);
    refused(forward(&cx, 2, &cx.zeros([3, 30]).unwrap()), &["[3, 30]", "[B, T, 3 * HEADS * SIZE]"]);
}

#[test]
fn a_cache_around_it_is_refused() {
    let cx = f32_context();
    let mut cache = crate::context::cache::Cache::new(4);
    let found = cx.cached(&mut cache, |cx| forward(cx, 2, &cx.zeros([1, 2, 12])?));
    refused(found, &["attention", "later positions", "Context::cached"]);
}
