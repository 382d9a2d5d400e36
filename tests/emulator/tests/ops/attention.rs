//! Attention.

use crate::both;
use crate::compare::{self, check_side_by_side, check_within, numbers, real_gpu};
use ivon_emulator::Watch;
use ivon_runtime::{Cache, Context, Result, Tensor, ops};

/// The output and the gradients of attention to qkv and d_y.
fn attend(cx: &Context, heads: usize, causal: bool, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let y = match causal {
        true => ops::causal_attention::forward(cx, heads, &x[0])?,
        false => ops::attention::forward(cx, heads, &x[0])?,
    };
    let grads = both(cx, [*x[0].shape()], |[d_x]| match causal {
        true => {
            let (_, saved) = ops::causal_attention::forward_saving(cx, heads, &x[0])?;
            ops::causal_attention::backward(cx, saved, x[1].clone(), d_x)
        }
        false => {
            let (_, saved) = ops::attention::forward_saving(cx, heads, &x[0])?;
            ops::attention::backward(cx, saved, x[1].clone(), d_x)
        }
    })?;
    Ok([vec![y], grads].concat())
}

fn qkv_and_d_y(batch: usize, heads: usize, length: usize, size: usize) -> [Tensor; 2] {
    [numbers(&[batch, length, 3 * heads * size], 1), numbers(&[batch, length, heads * size], 2)]
}

#[test]
fn attention() {
    // On tensor cores in bf16 where heads are of 32, 64 or 128; lengths that fill no tile.
    for (batch, heads, length, size) in [
        (2, 2, 5, 4),
        (1, 2, 1, 64),
        (1, 2, 70, 32),
        (1, 1, 130, 64),
        (2, 1, 64, 64),
        (1, 1, 70, 128),
        (1, 3, 33, 40),
        (1, 1, 289, 64),
    ] {
        for causal in [false, true] {
            check_within(2e-5, 3e-2, &qkv_and_d_y(batch, heads, length, size), |cx, x| attend(cx, heads, causal, x));
        }
    }
}

#[test]
fn attention_whose_scores_grow_along_the_keys() {
    // So that sums that were made under one maximum have to be rescaled under the next: later keys are twice, four and eight times as long.
    for (length, size) in [(200, 64), (130, 128)] {
        let x = numbers(&[1, length, 3 * size], 1);
        let doublings = |i: usize| if i / size % 3 == 1 { i / (3 * size) / 64 } else { 0 };
        let grown = x.as_slice::<f32>().iter().enumerate().map(|(i, x)| x * (1 << doublings(i)) as f32);
        let x = Tensor::from_slice(&grown.collect::<Vec<_>>(), *x.shape()).unwrap();
        for causal in [false, true] {
            check_within(1e-4, 3e-2, &[x.clone(), numbers(&[1, length, size], 2)], |cx, x| attend(cx, 1, causal, x));
        }
    }
}

#[test]
fn attention_whose_scores_are_far_below_zero() {
    // e^-s of a key that is not there would be infinite. Heads of q, k and v are columns of a row.
    let (length, size) = (70, 64);
    let x = numbers(&[1, length, 3 * size], 1);
    let eighths = |x: f32| (x * 8.0).round() / 8.0;
    let moved = x.as_slice::<f32>().iter().enumerate().map(|(i, x)| eighths(x / 2.0) + [4.0, -4.0, 0.0][i / size % 3]);
    let x = Tensor::from_slice(&moved.collect::<Vec<_>>(), *x.shape()).unwrap();
    for causal in [false, true] {
        check_within(2e-5, 3e-2, &[x.clone(), numbers(&[1, length, size], 2)], |cx, x| attend(cx, 1, causal, x));
    }
}

#[test]
fn attention_sums_in_a_fixed_order_of_blocks() {
    // Three blocks of keys for each of two heads.
    for (size, causal) in [(32, true), (64, true), (64, false), (128, true)] {
        check_side_by_side(&qkv_and_d_y(1, 2, 300, size), |cx, x| attend(cx, 2, causal, x));
    }
}

#[test]
fn attention_on_a_gpu_with_little_shared_memory() {
    // In a process of its own: the GPU is everybody's.
    compare::again(Watch::Nothing, &["attention::with_99_kib_of_shared_memory"]);
}

/// Run by the test above. As GPUs of 8.6, 8.9 and 12.0 have it: the gradient of heads of 128 is left to the plain kernels.
#[test]
#[ignore = "for a process of its own"]
fn with_99_kib_of_shared_memory() {
    let Some(emulator) = ivon_emulator::load() else { return };
    emulator.set_shared_memory(99 << 10);
    for size in [64, 128, 196] {
        check_within(2e-5, 3e-2, &qkv_and_d_y(1, 1, 70, size), |cx, x| attend(cx, 1, true, x));
    }
}

#[test]
fn attention_of_more_blocks_than_a_gpu_holds() {
    if !real_gpu() {
        return; // as below
    }
    // Work passes from blocks that have ended to those that start after them.
    for (length, size) in [(1024, 64), (2048, 64), (1024, 128)] {
        for causal in [false, true] {
            check_within(1e-4, 3e-2, &qkv_and_d_y(4, 12, length, size), |cx, x| attend(cx, 12, causal, x));
        }
    }
}

#[test]
fn attention_of_more_heads_than_a_grid_has_rows() {
    if !real_gpu() {
        return; // the emulator takes minutes for so many blocks
    }
    // The y of a grid ends at 65,535.
    for causal in [false, true] {
        check_within(2e-5, 3e-2, &qkv_and_d_y(65_537, 1, 1, 32), |cx, x| attend(cx, 1, causal, x));
    }
}

#[test]
fn attention_of_new_positions_to_those_in_a_cache() {
    for (batch, heads, size) in [(1, 2, 5), (2, 3, 64), (1, 1, 256)] {
        let ends = [0, 9, 10, 11, 30];
        let shape = [batch, 30, 3 * heads * size];
        check_within(2e-5, 3e-2, &[numbers(&shape, 1)], |cx, x| {
            let mut cache = Cache::new(33);
            let part = |ends: &[usize]| {
                let part = ops::slice::forward(cx, &x[0], 1, ends[0]..ends[1])?;
                cx.cached(&mut cache, |cx| ops::causal_attention::forward(cx, heads, &part))
            };
            ends.windows(2).map(part).collect()
        });
    }
}
