use super::*;
use crate::context::Pass;
use crate::context::cache::Cache;
use crate::core::shape::Shape;
use crate::ops::causal_attention;
use crate::ops::gradcheck::tensor;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};

/// The numbers of a call.
#[derive(Clone, Copy, Default)]
struct Call {
    heads: usize,
    kv_heads: usize,
    causal: bool,
    window: usize,
}

impl Call {
    fn saving(
        self,
        cx: &Context,
        [q, k, v]: [&Tensor; 3],
        [bias, slopes, mask, segments]: [Option<&Tensor>; 4],
    ) -> Result<(Tensor, Saved)> {
        let Call { heads, kv_heads, causal, window } = self;
        forward_saving(cx, heads, kv_heads, q, k, v, bias, slopes, mask, segments, causal, window, 0.0)
    }
}

/// Gradients of all inputs, for sequences within a block and beyond it.
#[test]
fn gradients_and_precision() {
    for (heads, kv_heads, causal, window, sizes) in [
        (2, 2, false, 0, [2, 5, 5, 3]),
        (4, 2, true, 0, [2, 4, 7, 2]),
        (2, 1, true, 3, [1, 9, 9, 2]),
        (3, 1, false, 2, [1, 4, 6, 3]),
        (2, 1, true, 0, [1, 5, 67, 1]),
    ] {
        let [batch, queries, keys, size] = sizes;
        let call = Call { heads, kv_heads, causal, window };
        specify!(
            [
                numbers([batch, queries, heads * size]),
                numbers([batch, keys, kv_heads * size]),
                numbers([batch, keys, kv_heads * size]),
                numbers([heads, queries, keys]),
                numbers([heads])
            ],
            [
                numbers([2, 70, heads * 20]),
                numbers([2, 150, kv_heads * 20]),
                numbers([2, 150, kv_heads * 20]),
                numbers([heads, 70, 150]),
                numbers([heads])
            ],
            2e-4, // of e^s for s up to 150 · slope, and of sums over distances up to 150
            |cx, [q, k, v, bias, slopes]| call.saving(cx, [q, k, v], [Some(bias), Some(slopes), None, None]),
            |cx, saved, d_y, [d_q, d_k, d_v, d_bias, d_slopes]| {
                let [mut none, mut other] = [Adjoint::skip(), Adjoint::skip()];
                backward(cx, saved, d_y, d_q, d_k, d_v, d_bias, d_slopes, &mut none, &mut other)
            }
        );
    }
}

#[test]
fn precision_without_biases() {
    for (heads, kv_heads, causal, window) in [(4, 2, true, 0), (3, 3, false, 40)] {
        let call = Call { heads, kv_heads, causal, window };
        let (q, kv) = (numbers([2, 150, heads * 20]), numbers([2, 150, kv_heads * 20]));
        specify!(
            [numbers([1, 3, heads * 2]), numbers([1, 4, kv_heads * 2]), numbers([1, 4, kv_heads * 2])],
            [q.clone(), kv.clone(), kv.clone()],
            3e-6, // of sums of up to 150 products
            |cx, x| call.saving(cx, x, [None; 4]),
            |cx, saved, d_y, [d_q, d_k, d_v]| {
                let [a, b, c, d] = &mut [(); 4].map(|()| Adjoint::skip());
                backward(cx, saved, d_y, d_q, d_k, d_v, a, b, c, d)
            }
        );
    }
}

/// The definition, query by query and key by key.
fn by_definition(call: Call, x: &Arguments<Tensor>) -> Vec<f64> {
    let Call { heads, kv_heads, causal, window } = call;
    let (batch, queries, keys) = (x.q.dim(0), x.q.dim(1), x.k.dim(1));
    let size = x.q.dim(2) / heads;
    let Arguments { q, k, v, bias, slopes, mask, segments } = x.map(|x| x.to_f64());
    let mut y = vec![0.0; q.len()];
    for b in 0..batch {
        for h in 0..heads {
            let kv = h / (heads / kv_heads);
            for i in 0..queries {
                let place = (i + keys) as f64 - queries as f64;
                let sees = |j: usize| {
                    (!causal || j as f64 <= place)
                        && (window == 0 || (place - j as f64).abs() < window as f64)
                        && mask.as_ref().is_none_or(|mask| mask[b * keys + j] != 0.0)
                        && segments.as_ref().is_none_or(|s| s[b * keys + i] == s[b * keys + j])
                };
                let weight = |j: usize| {
                    let of = |x: &[f64], d| x[((b * keys + j) * kv_heads + kv) * size + d];
                    let product: f64 = (0..size).map(|d| q[((b * queries + i) * heads + h) * size + d] * of(&k, d)).sum();
                    let bias = bias.as_ref().map_or(0.0, |bias| bias[(h * queries + i) * keys + j]);
                    let slope = slopes.as_ref().map_or(0.0, |slopes| slopes[h]);
                    (product / (size as f64).sqrt() + bias - slope * (place - j as f64).abs()).exp()
                };
                let seen: Vec<usize> = (0..keys).filter(|j| sees(*j)).collect();
                let total: f64 = seen.iter().map(|j| weight(*j)).sum();
                for d in 0..size {
                    let sum: f64 = seen.iter().map(|j| weight(*j) * v[((b * keys + j) * kv_heads + kv) * size + d]).sum();
                    y[((b * queries + i) * heads + h) * size + d] = if seen.is_empty() { 0.0 } else { sum / total };
                }
            }
        }
    }
    y
}

fn inputs(cx: &Context, call: Call, [batch, queries, keys, size]: [usize; 4]) -> Arguments<Tensor> {
    let one = |shape: &[usize], seed| tensor(cx, Shape::new(shape), seed).unwrap();
    let kv = [batch, keys, call.kv_heads * size];
    Arguments {
        q: one(&[batch, queries, call.heads * size], 1),
        k: one(&kv, 2),
        v: one(&kv, 3),
        bias: None,
        slopes: None,
        mask: None,
        segments: None,
    }
}
fn holds(call: Call, x: &Arguments<Tensor>) {
    let cx = f64_context();
    let Arguments { bias, slopes, mask, segments, .. } = x;
    let (y, saved) =
        call.saving(&cx, [&x.q, &x.k, &x.v], [bias.as_ref(), slopes.as_ref(), mask.as_ref(), segments.as_ref()]).unwrap();
    for (found, exact) in y.to_f64().iter().zip(by_definition(call, x)) {
        assert!((found - exact).abs() < 1e-12, "{found}, not {exact}");
    }
    // No gradient is NaN, also where a query sees no key.
    let mut d = [(); 7].map(|()| Adjoint::new());
    let [d_q, d_k, d_v, d_bias, d_slopes, d_mask, d_segments] = &mut d;
    let d_y = tensor(&cx, *y.shape(), 9).unwrap();
    backward(&cx, saved, d_y, d_q, d_k, d_v, d_bias, d_slopes, d_mask, d_segments).unwrap();
    let sums = d.into_iter().filter_map(Adjoint::into_option).collect::<Vec<_>>();
    assert!(sums.iter().all(|d| d.to_f64().iter().all(|x| x.is_finite())));
    assert_eq!(sums.len(), 3 + [bias, slopes, mask, segments].iter().filter(|x| x.is_some()).count());
}

#[test]
fn is_what_the_formula_says() {
    let cx = f64_context();
    for (heads, kv_heads, causal, window, sizes) in [
        (1, 1, false, 0, [2, 1, 1, 4]),
        (4, 2, true, 0, [2, 70, 130, 3]),
        (2, 2, true, 5, [1, 130, 130, 20]),
        (3, 1, false, 40, [1, 100, 70, 16]),
    ] {
        let call = Call { heads, kv_heads, causal, window };
        let x = inputs(&cx, call, sizes);
        holds(call, &x);
        let [_, queries, keys, _] = sizes;
        let bias = Some(tensor(&cx, [heads, queries, keys], 4).unwrap());
        let slopes = Some(tensor(&cx, [heads], 5).unwrap());
        holds(call, &Arguments { bias, slopes, ..x });
    }
}

#[test]
fn padding_and_packed_sequences_are_apart() {
    let cx = f64_context();
    let call = Call { heads: 2, kv_heads: 1, causal: true, window: 0 };
    let x = inputs(&cx, call, [2, 90, 90, 3]);
    // The second sequence begins with padding: its first queries see no key.
    let mask: Vec<f64> = (0..180).map(|i| f64::from(!(90..110).contains(&i) && i != 30)).collect();
    let segments: Vec<f64> = (0..180).map(|i| f64::from(i / 40)).collect();
    let mask = Some(Tensor::from_slice(&mask, [2, 90]).unwrap());
    let segments = Some(Tensor::from_slice(&segments, [2, 90]).unwrap());
    holds(call, &Arguments { mask: mask.clone(), ..x.clone() });
    holds(call, &Arguments { segments: segments.clone(), ..x.clone() });
    holds(call, &Arguments { mask, segments, ..x });
}

/// Without extras it is the attention of packed queries, keys and values.
#[test]
fn agrees_with_causal_attention() {
    let cx = f64_context();
    let call = Call { heads: 3, kv_heads: 3, causal: true, window: 0 };
    let x = inputs(&cx, call, [2, 100, 100, 5]);
    let packed: Vec<f64> =
        (0..200).flat_map(|row| [&x.q, &x.k, &x.v].map(|part| part.to_f64()[row * 15..][..15].to_vec()).concat()).collect();
    let expected = causal_attention::forward(&cx, 3, &Tensor::from_slice(&packed, [2, 100, 45]).unwrap()).unwrap();
    let (found, _) = call.saving(&cx, [&x.q, &x.k, &x.v], [None; 4]).unwrap();
    assert!(found.to_f64().iter().zip(expected.to_f64()).all(|(a, b)| (a - b).abs() < 1e-14));
}

/// The weights that stay are scaled, and the gradient is that of the same mask.
#[test]
fn dropout_keeps_the_mean_and_its_mask() {
    let cx = f64_context();
    cx.set_training(true);
    let x = inputs(&cx, Call { heads: 2, kv_heads: 1, ..Call::default() }, [3, 80, 90, 2]);
    let ones = Tensor::from_slice(&vec![1.0; x.v.shape().elements()], *x.v.shape()).unwrap();
    let run = |q: &Tensor, v: &Tensor| {
        cx.set_pass(Pass { seed: 1, step: 1, pass: 0 });
        forward_saving(&cx, 2, 1, q, &x.k, v, None, None, None, None, false, 0, 0.25).unwrap()
    };
    let y = run(&x.q, &ones).0.to_f64();
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    assert!(y.iter().any(|y| (y - 1.0).abs() > 0.01));
    // d/dq of the sum of y along a direction, by central differences.
    let (y, saved) = run(&x.q, &x.v);
    let mut d = [(); 7].map(|()| Adjoint::new());
    let [d_q, d_k, d_v, d_bias, d_slopes, d_mask, d_segments] = &mut d;
    let d_y = cx.filled(*y.shape(), 1.0).unwrap();
    backward(&cx, saved, d_y, d_q, d_k, d_v, d_bias, d_slopes, d_mask, d_segments).unwrap();
    let d_q = d.into_iter().next().and_then(Adjoint::into_option).unwrap().to_f64();
    let direction = tensor(&cx, *x.q.shape(), 8).unwrap().to_f64();
    let slope: f64 = d_q.iter().zip(&direction).map(|(d, x)| d * x).sum();
    let at = |h: f64| {
        let q: Vec<f64> = x.q.to_f64().iter().zip(&direction).map(|(q, x)| q + h * x).collect();
        run(&Tensor::from_slice(&q, *x.q.shape()).unwrap(), &x.v).0.to_f64().iter().sum::<f64>()
    };
    let exact = (at(1e-4) - at(-1e-4)) / 2e-4;
    assert!((slope - exact).abs() < 1e-6 * exact.abs().max(1.0), "{slope}, not {exact}");
}

/// Position by position with a cache, and all at once without.
#[test]
fn a_cache_gives_the_same() {
    let cx = f64_context();
    for (kv_heads, window) in [(1, 0), (2, 0), (2, 4)] {
        let call = Call { heads: 4, kv_heads, causal: true, window };
        let x = inputs(&cx, call, [2, 11, 11, 3]);
        let slopes = tensor(&cx, [4], 5).unwrap();
        let all = |x: &Arguments<Tensor>| {
            forward(&cx, 4, kv_heads, &x.q, &x.k, &x.v, None, Some(&slopes), None, None, true, window, 0.0)
        };
        let expected = all(&x).unwrap().to_f64();
        let mut cache = Cache::new(11);
        let mut place = 0;
        for added in [5, 1, 1, 3, 1] {
            let part = |x: &Tensor| {
                let width = x.dim(2);
                let rows = (0..2).flat_map(|b| x.to_f64()[(b * 11 + place) * width..][..added * width].to_vec());
                Tensor::from_slice(&rows.collect::<Vec<_>>(), [2, added, width]).unwrap()
            };
            let part = x.map(part);
            let y = cx.cached(&mut cache, |_| all(&part)).unwrap().to_f64();
            for (i, y) in y.iter().enumerate() {
                let (b, t, d) = (i / (added * 12), i / 12 % added, i % 12);
                let exact = expected[(b * 11 + place + t) * 12 + d];
                assert!((y - exact).abs() < 1e-13, "place {}: {y}, not {exact}", place + t);
            }
            place += added;
        }
        let error = cx
            .cached(&mut Cache::new(11), |_| forward(&cx, 4, kv_heads, &x.q, &x.k, &x.v, None, None, None, None, false, 0, 0.0));
        refused(error, &["grouped_attention", "causal", "Context::cached"]);
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let zeros = |shape: &[usize]| cx.zeros(Shape::new(shape)).unwrap();
    let call = |heads, kv_heads, q: &[usize], k: &[usize], mask: Option<&[usize]>, causal, rate| {
        let (q, k, mask) = (zeros(q), zeros(k), mask.map(zeros));
        forward(&cx, heads, kv_heads, &q, &k, &k, None, None, mask.as_ref(), None, causal, 0, rate)
    };
    refused(call(4, 3, &[2, 5, 8], &[2, 5, 6], None, false, 0.0), &["HEADS = 4", "KV_HEADS = 3"]);
    refused(call(0, 1, &[2, 5, 8], &[2, 5, 6], None, false, 0.0), &["HEADS = 0"]);
    refused(call(4, 2, &[2, 5, 8], &[2, 5, 6], None, false, 0.0), &["`k`", "[2, 5, 6]", "[2, 5, 4]"]);
    refused(call(3, 1, &[2, 5, 8], &[2, 5, 6], None, false, 0.0), &["`q`", "multiple of HEADS = 3"]);
    refused(call(2, 2, &[2, 5, 8], &[2, 5, 8], Some(&[2, 6]), false, 0.0), &["`mask`", "[2, 6]", "[2, 5]"]);
    refused(call(2, 2, &[2, 6, 8], &[2, 5, 8], None, true, 0.0), &["6 queries", "5 keys"]);
    refused(call(2, 2, &[2, 5, 8], &[2, 5, 8], None, true, 1.0), &["rate", "1"]);
}
