//! Attention with separate queries, keys and values.

use crate::both;
use crate::compare::{check_within, numbers};
use ivon_runtime::ops::grouped_attention as op;
use ivon_runtime::{Adjoint, Cache, Context, Pass, Result, Tensor, ops};

/// The numbers of a call.
#[derive(Clone, Copy)]
struct Call {
    heads: usize,
    kv_heads: usize,
    causal: bool,
    window: usize,
    rate: f64,
}

/// The output and the gradients of q, k, v, bias and slopes, for x = (q, k, v, d_y, bias, slopes, mask, segments) as far as they are there.
fn attend(cx: &Context, call: Call, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let Call { heads, kv_heads, causal, window, rate } = call;
    cx.set_training(true);
    let saving = || {
        cx.set_pass(Pass { seed: 3, step: 1, pass: 0 });
        let [bias, slopes, mask, segments] = [4, 5, 6, 7].map(|i| x.get(i));
        op::forward_saving(cx, heads, kv_heads, &x[0], &x[1], &x[2], bias, slopes, mask, segments, causal, window, rate)
    };
    let y = saving()?.0;
    let back = |[d_q, d_k, d_v, d_bias, d_slopes]: [&mut Adjoint; 5]| {
        let [mut none, mut other] = [Adjoint::skip(), Adjoint::skip()];
        op::backward(cx, saving()?.1, x[3].clone(), d_q, d_k, d_v, d_bias, d_slopes, &mut none, &mut other)
    };
    let grads = match x {
        [q, k, v, _, bias, slopes, ..] => both(cx, [q, k, v, bias, slopes].map(|x| *x.shape()), back)?,
        _ => both(cx, [&x[0], &x[1], &x[2]].map(|x| *x.shape()), |[d_q, d_k, d_v]| {
            back([d_q, d_k, d_v, &mut Adjoint::skip(), &mut Adjoint::skip()])
        })?,
    };
    Ok([vec![y], grads].concat())
}

fn q_k_v_and_d_y(call: Call, [batch, queries, keys, size]: [usize; 4]) -> Vec<Tensor> {
    let [q, kv] = [[batch, queries, call.heads * size], [batch, keys, call.kv_heads * size]];
    vec![numbers(&q, 1), numbers(&kv, 2), numbers(&kv, 3), numbers(&q, 4)]
}

#[test]
fn grouped_attention() {
    for (heads, kv_heads, causal, window, sizes) in [
        (2, 2, false, 0, [2, 5, 7, 4]),
        (4, 2, true, 0, [1, 33, 40, 16]),
        (2, 1, true, 9, [2, 70, 70, 5]),
        (3, 1, false, 20, [1, 40, 35, 40]),
    ] {
        let call = Call { heads, kv_heads, causal, window, rate: 0.0 };
        check_within(2e-5, 3e-2, &q_k_v_and_d_y(call, sizes), |cx, x| attend(cx, call, x));
    }
}

#[test]
fn grouped_attention_with_biases_masks_and_dropout() {
    for rate in [0.0, 0.25] {
        let call = Call { heads: 4, kv_heads: 2, causal: true, window: 0, rate };
        let mut x = q_k_v_and_d_y(call, [2, 37, 37, 6]);
        let places = |f: &dyn Fn(usize) -> f32| Tensor::from_slice(&(0..74).map(f).collect::<Vec<_>>(), [2, 37]).unwrap();
        // Small slopes: their gradients are sums over distances. The second sequence begins with padding.
        let slopes = Tensor::from_slice(&[0.5f32, 0.25, 0.125, 0.0625], [4]).unwrap();
        x.extend([numbers(&[4, 37, 37], 5), slopes]);
        x.push(places(&|i| f32::from(u8::from(!(37..42).contains(&i) && i != 7))));
        x.push(places(&|i| (i / 15) as f32));
        check_within(1e-4, 5e-2, &x, |cx, x| attend(cx, call, x));
    }
}

#[test]
fn grouped_attention_of_new_positions_to_those_in_a_cache() {
    for (heads, kv_heads, size, window) in [(2, 1, 5, 0), (6, 3, 64, 8), (1, 1, 256, 0)] {
        let [q, kv] = [[2, 30, heads * size], [2, 30, kv_heads * size]];
        let ends = [0, 9, 10, 11, 30];
        let inputs = [numbers(&q, 1), numbers(&kv, 2), numbers(&kv, 3), numbers(&[heads], 4)];
        check_within(2e-5, 3e-2, &inputs, |cx, x| {
            let mut cache = Cache::new(33);
            let part = |ends: &[usize]| {
                let part = |x| ops::slice::forward(cx, x, 1, ends[0]..ends[1]);
                let (q, k, v) = (part(&x[0])?, part(&x[1])?, part(&x[2])?);
                cx.cached(&mut cache, |cx| {
                    op::forward(cx, heads, kv_heads, &q, &k, &v, None, Some(&x[3]), None, None, true, window, 0.0)
                })
            };
            ends.windows(2).map(part).collect()
        });
    }
}

#[test]
fn rotary() {
    for (shape, heads) in [([2, 33, 24], 3), ([1, 300, 8], 1)] {
        check_within(1e-5, 2e-2, &[numbers(&shape, 1), numbers(&shape, 2)], |cx, x| {
            let y = ops::rotary::forward(cx, heads, &x[0], 10000.0)?;
            let grads = both(cx, [*x[0].shape()], |[d_x]| {
                let (_, saved) = ops::rotary::forward_saving(cx, heads, &x[0], 10000.0)?;
                ops::rotary::backward(cx, saved, x[1].clone(), d_x)
            })?;
            Ok([vec![y], grads].concat())
        });
    }
}
