//! Every op on the emulated card against the same op on the processor: in f32 under all orders of threads, which must give the same bits,
//! and in bf16.

#[path = "shared/compare.rs"]
mod compare;
#[path = "shared/mutations.rs"]
mod mutations;

use compare::{check, check_side_by_side, check_within, ids, numbers, sanitized};
use ivon_runtime::device::cuda::Cudnn;
use ivon_runtime::ops;
use ivon_runtime::{Adjoint, Builder, Cache, Context, DType, Device, Init, Result, Shape, Tensor};

/// An empty adjoint, or one that holds ones.
fn adjoint(cx: &Context, shape: &Shape, add: bool) -> Result<Adjoint> {
    Ok(if add { Adjoint::of(cx.filled(*shape, 1.0)?) } else { Adjoint::new() })
}

/// Runs `each` with adjoints of these shapes, empty ones and ones to be added to; what they hold afterwards.
fn both<const N: usize>(cx: &Context, shapes: [Shape; N], each: impl Fn([&mut Adjoint; N]) -> Result<()>) -> Result<Vec<Tensor>> {
    let mut all = vec![];
    for add in [false, true] {
        let mut adjoints = vec![];
        for shape in &shapes {
            adjoints.push(adjoint(cx, shape, add)?);
        }
        let mut adjoints: [Adjoint; N] = adjoints.try_into().unwrap();
        each(adjoints.each_mut())?;
        all.extend(adjoints.into_iter().zip(shapes).map(|(a, shape)| a.into_tensor(cx, shape).unwrap()));
    }
    Ok(all)
}

#[test]
fn sums_and_means() {
    for dims in [vec![3, 5, 7], vec![2, 700, 33], vec![1, 5000], vec![9, 1, 64], vec![70_000, 2]] {
        for axis in (0..dims.len()).map(Some).chain([None]) {
            check(&[numbers(&dims, 1)], |cx, x| {
                let y = ops::mean::forward(cx, &x[0], axis)?;
                let d_y = cx.filled(*y.shape(), 0.5)?;
                let grads = both(cx, [*x[0].shape()], |[d_x]| {
                    let (_, saved) = ops::mean::forward_saving(cx, &x[0], axis)?;
                    ops::mean::backward(cx, saved, d_y.clone(), d_x)
                })?;
                Ok([vec![y], grads].concat())
            });
        }
    }
}

#[test]
fn layer_norm() {
    // In registers, of whole lanes and not, several rows a warp; by a warp and by a block, of odd widths.
    for (rows, width) in [(1, 1), (9, 7), (5, 768), (4500, 8), (30, 40), (19, 1600), (130, 33), (2, 2100)] {
        let inputs = [numbers(&[rows, width], 1), numbers(&[width], 2), numbers(&[width], 3), numbers(&[rows, width], 4)];
        check(&inputs, |cx, x| {
            let forward = || ops::layer_norm::forward_saving(cx, &x[0], &x[1], Some(&x[2]), 1e-2);
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_gain, d_bias]| {
                ops::layer_norm::backward(cx, forward()?.1, x[3].clone(), d_x, d_gain, d_bias)
            })?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

/// Of a few matrices, and of more than the library takes at once.
#[test]
fn products_in_batches() {
    for [batch, m, k, n] in [[3, 5, 7, 4], [1, 1, 9, 1], [(1 << 16) + 3, 1, 2, 1]] {
        let tensors = [numbers(&[batch, m, k], 1), numbers(&[batch, k, n], 2)];
        check_within(1e-5, 2e-2, &tensors, |cx, x| {
            let c = ops::matmul::forward(cx, &x[0], &x[1])?;
            let grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_a, d_b]| {
                let (c, saved) = ops::matmul::forward_saving(cx, &x[0], &x[1])?;
                ops::matmul::backward(cx, saved, c, d_a, d_b)
            })?;
            Ok([vec![c], grads].concat())
        });
    }
}

/// A sum of nothing is 0, and the library takes no matrix without elements.
#[test]
fn products_of_no_depth() {
    check_within(0.0, 0.0, &[numbers(&[3, 1], 1)], |cx, _| {
        let (a, b) = (cx.empty([3, 0])?, cx.empty([0, 5])?);
        Ok(vec![ops::matmul::forward(cx, &a, &b)?])
    });
}

/// In bf16, rows of whole eights are activated by the library along with the products, others by kernels, as all are in f32.
#[test]
fn linear_and_gelu_alone_and_through_the_next_product() {
    for (rows, inputs, outputs, bias) in [(5, 7, 16, true), (9, 24, 8, false), (12, 10, 13, true), (3, 16, 9, false)] {
        let tensors = [
            numbers(&[rows, inputs], 1),
            numbers(&[outputs, inputs], 2),
            numbers(&[outputs], 3),
            numbers(&[6, outputs], 4),
            numbers(&[rows, 6], 5),
        ];
        // Sums of about 100 numbers of either sign lose digits, and slopes of rounded numbers more.
        check_within(1e-5, 4e-2, &tensors, |cx, x| {
            let bias = Some(&x[2]).filter(|_| bias);
            let y = ops::linear_gelu::forward(cx, &x[0], &x[1], bias)?;
            let (again, saved) = ops::linear_gelu::forward_saving(cx, &x[0], &x[1], bias)?;
            let (z, next) = ops::linear::forward_saving(cx, &again, &x[3], None)?;
            let mut d_again = ops::linear_gelu::adjoint(&saved);
            ops::linear::backward(cx, next, x[4].clone(), &mut d_again, &mut Adjoint::skip(), &mut Adjoint::skip())?;
            let mut through = [(); 3].map(|()| Adjoint::new());
            let [d_x, d_weight, d_bias] = &mut through;
            ops::linear_gelu::backward(cx, saved, d_again, d_x, d_weight, d_bias)?;
            let through = through.map(|d| d.into_sum("gradient").unwrap());
            let shapes = [*x[0].shape(), *x[1].shape(), *x[2].shape()];
            let alone = both(cx, shapes, |[d_x, d_weight, d_bias]| {
                let (y, saved) = ops::linear_gelu::forward_saving(cx, &x[0], &x[1], bias)?;
                ops::linear_gelu::backward(cx, saved, y, d_x, d_weight, d_bias)
            })?;
            Ok([vec![y, again, z], through.to_vec(), alone].concat())
        });
    }
}

/// The names of a step's ops say what is computed along with what.
#[test]
fn gelu_is_an_epilogue_in_bf16() {
    if !compare::look_for_the_emulator() || compare::real_card() {
        return;
    }
    for (dtype, expected) in [
        (DType::F32, ["linear", "gelu_tanh", "linear d_x", "gradient of gelu_tanh"].as_slice()),
        (DType::Bf16, ["linear_gelu", "linear d_x, gradient of gelu_tanh"].as_slice()),
    ] {
        let cx = Context::new(Device::Cuda(0), dtype).unwrap();
        let of = |dims: [usize; 2]| cx.filled(dims, 0.5).unwrap();
        cx.record().unwrap();
        let (y, saved) = ops::linear_gelu::forward_saving(&cx, &of([4, 8]), &of([16, 8]), None).unwrap();
        let (z, next) = ops::linear::forward_saving(&cx, &y, &of([8, 16]), None).unwrap();
        let mut d_y = ops::linear_gelu::adjoint(&saved);
        ops::linear::backward(&cx, next, z, &mut d_y, &mut Adjoint::skip(), &mut Adjoint::skip()).unwrap();
        ops::linear_gelu::backward(&cx, saved, d_y, &mut Adjoint::new(), &mut Adjoint::skip(), &mut Adjoint::skip()).unwrap();
        let ops: Vec<_> = cx.recorded().unwrap().phases().into_iter().flat_map(|phase| phase.ops).collect();
        for name in expected {
            assert!(ops.iter().any(|op| op.name == *name && !op.kernels.is_empty()), "{dtype:?}: `{name}` is not in {ops:?}");
        }
    }
}

#[test]
fn rms_norm() {
    for (rows, width) in [(9, 7), (5, 96), (2, 2100)] {
        check(&[numbers(&[rows, width], 1), numbers(&[width], 2), numbers(&[rows, width], 4)], |cx, x| {
            let forward = || ops::rms_norm::forward_saving(cx, &x[0], &x[1], 1e-2);
            let grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_x, d_gain]| {
                ops::rms_norm::backward(cx, forward()?.1, x[2].clone(), d_x, d_gain)
            })?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn softmax_and_its_logarithm() {
    for (rows, width) in [(1, 1), (9, 7), (5, 128), (2, 2100)] {
        check(&[numbers(&[rows, width], 1), numbers(&[rows, width], 2)], |cx, x| {
            let forward = || ops::softmax::forward_saving(cx, &x[0]);
            let of_log = || ops::log_softmax::forward_saving(cx, &x[0]);
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::softmax::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            let of_logs = both(cx, [*x[0].shape()], |[d_x]| ops::log_softmax::backward(cx, of_log()?.1, x[1].clone(), d_x))?;
            Ok([vec![forward()?.0, of_log()?.0], grads, of_logs].concat())
        });
    }
}

#[test]
fn cross_entropy_plain_smoothed_and_in_place() {
    for (rows, classes) in [(1, 3), (6, 10), (4, 1001), (2, 50_257)] {
        let mut targets = ids(rows, classes, 5);
        if rows > 2 {
            targets[1] = ops::cross_entropy::IGNORE;
        }
        let targets = Tensor::from_slice(&targets, [rows]).unwrap();
        check(&[numbers(&[rows, classes], 1)], |cx, x| {
            let d_loss = |loss: &Tensor| compare::scalar(cx, loss.dtype(), 1.5);
            let loss = ops::cross_entropy::forward(cx, &x[0], &targets)?;
            let of_rows = ops::cross_entropy::rows(cx, &x[0], &targets)?;
            let grads = both(cx, [*x[0].shape()], |[d_x]| {
                let (loss, saved) = ops::cross_entropy::forward_saving(cx, &x[0], &targets)?;
                ops::cross_entropy::backward(cx, saved, d_loss(&loss)?, d_x)
            })?;
            let smoothed = both(cx, [*x[0].shape()], |[d_x]| {
                let (loss, saved) = ops::cross_entropy_smoothed::forward_saving(cx, &x[0], &targets, 0.25)?;
                ops::cross_entropy_smoothed::backward(cx, saved, d_loss(&loss)?, d_x)
            })?;
            // Nobody else reads these logits.
            let mut in_place = Adjoint::new();
            let own = ops::copy(cx, &x[0])?;
            let (loss_of_own, saved) = ops::cross_entropy::forward_saving(cx, &own, &targets)?;
            drop(own);
            ops::cross_entropy::backward(cx, saved, d_loss(&loss_of_own)?, &mut in_place)?;
            let smoothed_loss = ops::cross_entropy_smoothed::forward(cx, &x[0], &targets, 0.25)?;
            let in_place = in_place.into_tensor(cx, *x[0].shape())?;
            Ok([vec![loss, of_rows, smoothed_loss, in_place], grads, smoothed].concat())
        });
    }
}

#[test]
fn cross_entropy_of_products_whose_rows_are_not_aligned() {
    for (rows, inputs, classes) in [(5, 8, 61), (3, 7, 64), (9, 5, 130)] {
        let mut targets = ids(rows, classes, 5);
        targets[1] = ops::cross_entropy::IGNORE;
        let targets = Tensor::from_slice(&targets, [rows]).unwrap();
        check(&[numbers(&[rows, inputs], 1), numbers(&[classes, inputs], 2)], |cx, x| {
            let loss = ops::linear_cross_entropy::forward(cx, &x[0], &x[1], &targets)?;
            let mut grads = both(cx, [*x[0].shape(), *x[1].shape()], |[d_x, d_weight]| {
                let (loss, saved) = ops::linear_cross_entropy::forward_saving(cx, &x[0], &x[1], &targets)?;
                ops::linear_cross_entropy::backward(cx, saved, compare::scalar(cx, loss.dtype(), 1.5)?, d_x, d_weight)
            })?;
            grads.push(loss);
            Ok(grads)
        });
    }
}

#[test]
fn embedding_sums_repeated_ids_in_their_order() {
    for (count, rows, width) in [(1, 1, 1), (7, 3, 5), (300, 11, 64), (5, 40, 1500)] {
        let positions = Tensor::from_slice(&ids(count, rows, 3), [count]).unwrap();
        check(&[numbers(&[rows, width], 1), numbers(&[count, width], 2)], |cx, x| {
            let forward = || ops::embedding::forward_saving(cx, &positions, &x[0]);
            let grads =
                both(cx, [*x[0].shape()], |[d_weight]| ops::embedding::backward(cx, forward()?.1, x[1].clone(), d_weight))?;
            Ok([vec![forward()?.0], grads].concat())
        });
    }
}

#[test]
fn dropout_drops_the_same_elements() {
    for n in [1, 63, 64, 1000, 70_000] {
        check(&[numbers(&[n], 1)], |cx, x| {
            cx.set_training(true);
            cx.set_pass(ivon_runtime::Pass { seed: 0x1234_5678_9abc, step: 3, pass: 1 });
            let (y, saved) = ops::dropout::forward_saving(cx, &x[0], 0.3)?;
            let mut d_x = adjoint(cx, x[0].shape(), true)?;
            ops::dropout::backward(cx, saved, x[0].clone(), &mut d_x)?;
            cx.set_training(false);
            Ok(vec![y, d_x.into_tensor(cx, *x[0].shape())?])
        });
    }
}

#[test]
fn slices_and_concatenations() {
    for (dims, axis, range) in
        [(vec![4, 6], 1, 1..4), (vec![3, 5, 16], 1, 2..5), (vec![2, 64, 24], 2, 8..16), (vec![7], 0, 0..7), (vec![5, 8], 0, 2..2)]
    {
        let mut part = dims.clone();
        part[axis] = range.len();
        check(&[numbers(&dims, 1), numbers(&part, 2)], |cx, x| {
            let forward = || ops::slice::forward_saving(cx, &x[0], axis, range.clone());
            let grads = both(cx, [*x[0].shape()], |[d_x]| ops::slice::backward(cx, forward()?.1, x[1].clone(), d_x))?;
            let joined = || ops::concat::forward_saving(cx, &[&x[0], &x[1]], axis);
            let d_y = joined()?.0;
            let of_parts = both(cx, [*x[0].shape(), *x[1].shape()], |[a, b]| {
                ops::concat::backward(cx, joined()?.1, d_y.clone(), &mut [a, b])
            })?;
            Ok([vec![forward()?.0, d_y.clone()], grads, of_parts].concat())
        });
    }
}

#[test]
fn transposes() {
    for (dims, a, b) in [
        (vec![5, 7], 0, 1),
        (vec![70, 33], 0, 1),
        (vec![3, 40, 50], 1, 2),
        (vec![4, 5, 6], 0, 2),
        (vec![2, 3, 4, 8], 1, 2),
        (vec![3, 4], 1, 1),
    ] {
        check(&[numbers(&dims, 1)], |cx, x| {
            let y = ops::transpose::forward(cx, &x[0], a, b)?;
            let grads = both(cx, [*x[0].shape()], |[d_x]| {
                let (_, saved) = ops::transpose::forward_saving(cx, &x[0], a, b)?;
                ops::transpose::backward(cx, saved, y.clone(), d_x)
            })?;
            Ok([vec![y.clone()], grads].concat())
        });
    }
}

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
fn attention_of_more_blocks_than_a_card_holds() {
    if !compare::real_card() {
        return; // as below
    }
    // Turns go from blocks that have ended to those that start after them.
    for (length, size) in [(1024, 64), (2048, 64), (1024, 128)] {
        for causal in [false, true] {
            check_within(1e-4, 3e-2, &qkv_and_d_y(4, 12, length, size), |cx, x| attend(cx, 12, causal, x));
        }
    }
}

#[test]
fn attention_of_more_heads_than_a_grid_has_rows() {
    if !compare::real_card() {
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

/// Kernel, stride, padding, dilation, groups; images, height, width, inputs, outputs.
const CONVOLUTIONS: [([usize; 5], [usize; 5]); 6] = [
    ([3, 1, 1, 1, 1], [2, 7, 6, 3, 5]),
    ([1, 1, 0, 1, 1], [1, 9, 9, 70, 66]),
    ([1, 2, 0, 1, 1], [2, 7, 8, 6, 4]),
    ([3, 2, 1, 1, 1], [2, 9, 8, 4, 8]),
    ([3, 1, 2, 2, 2], [1, 8, 8, 4, 6]),
    ([5, 3, 2, 1, 4], [1, 11, 13, 4, 4]),
];

fn convolutions(cudnn: Cudnn) {
    for ([kernel, stride, padding, dilation, groups], [images, height, width, inputs, outputs]) in CONVOLUTIONS {
        let x = [images, height, width, inputs];
        let weight = [outputs, kernel, kernel, inputs / groups];
        check_within(3e-5, 3e-2, &[numbers(&x, 1), numbers(&weight, 2), numbers(&[outputs], 3)], |cx, x| {
            if let Some(cuda) = cx.cuda() {
                cuda.set_cudnn(cudnn);
            }
            let forward =
                || ops::conv2d::forward_saving(cx, kernel, stride, padding, dilation, groups, &x[0], &x[1], Some(&x[2]));
            let d_y = forward()?.0;
            let grads = both(cx, [*x[0].shape(), *x[1].shape(), *x[2].shape()], |[d_x, d_weight, d_bias]| {
                ops::conv2d::backward(cx, forward()?.1, d_y.clone(), d_x, d_weight, d_bias)
            })?;
            let without_bias = ops::conv2d::forward(cx, kernel, stride, padding, dilation, groups, &x[0], &x[1], None)?;
            Ok([vec![d_y.clone(), without_bias], grads].concat())
        });
    }
}

#[test]
fn convolutions_by_our_kernels() {
    convolutions(Cudnn::Off);
}

#[test]
fn convolutions_by_cudnn() {
    [Cudnn::Windows, Cudnn::Weights, Cudnn::All].into_iter().for_each(convolutions);
}

#[test]
fn norms_of_pictures() {
    for (groups, dims) in [(1, [2, 3, 4, 6]), (3, [2, 5, 5, 6]), (35, [1, 9, 7, 35])] {
        let c = [dims[3]];
        let inputs = [numbers(&dims, 1), numbers(&c, 2), numbers(&c, 3), numbers(&c, 4), numbers(&dims, 5)];
        check(&inputs, |cx, x| {
            let group = || ops::group_norm::forward_saving(cx, groups, &x[0], &x[1], &x[2], 1e-2);
            let shapes = [*x[0].shape(), *x[1].shape(), *x[2].shape()];
            let mut all = both(cx, shapes, |[d_x, d_gain, d_bias]| {
                ops::group_norm::backward(cx, group()?.1, x[4].clone(), d_x, d_gain, d_bias)
            })?;
            all.push(group()?.0);
            for threshold in [None, Some(&x[3])] {
                let response = || ops::filter_response_norm::forward_saving(cx, &x[0], &x[1], &x[2], threshold, 1e-2);
                let shapes = [*x[0].shape(), *x[1].shape(), *x[2].shape(), *x[3].shape()];
                all.extend(both(cx, shapes, |[d_x, d_gain, d_bias, d_threshold]| {
                    ops::filter_response_norm::backward(cx, response()?.1, x[4].clone(), d_x, d_gain, d_bias, d_threshold)
                })?);
                all.push(response()?.0);
            }
            Ok(all)
        });
    }
}

#[test]
fn batch_norms() {
    // A thread with one channel and with 16 bytes of them, one group of rows and several, rows that some threads lack.
    for dims in [[20, 1], [17, 3], [9, 8], [300, 24], [2100, 64], [70, 264], [600, 520]] {
        let c = [dims[1]];
        let mut builder = Builder::new();
        let mean = builder.buffer("mean", c, Init::Zeros);
        let variance = builder.buffer("variance", c, Init::Ones);
        let inputs = [numbers(&dims, 1), numbers(&c, 2), numbers(&c, 3), numbers(&dims, 4), numbers(&dims, 5)];
        check(&inputs, |cx, x| {
            let [x, gain, bias, residual, d_y] = x else { unreachable!("there are five") };
            let shapes = [*x.shape(), *gain.shape(), *bias.shape()];
            let of = (0.1, 1e-2);
            let mut all = vec![];
            cx.set_training(true);
            let norm = || ops::batch_norm::forward_saving(cx, x, gain, Some(bias), &mean, &variance, of.0, of.1);
            all.extend(both(cx, shapes, |[d_x, d_gain, d_bias]| {
                ops::batch_norm::backward(cx, norm()?.1, d_y.clone(), d_x, d_gain, d_bias)
            })?);
            all.push(norm()?.0);
            for more in [None, Some(residual)] {
                let active = || ops::batch_norm_relu::forward_saving(cx, x, more, gain, Some(bias), &mean, &variance, of.0, of.1);
                all.extend(both(cx, [shapes[0], shapes[0], shapes[1], shapes[2]], |[d_x, d_residual, d_gain, d_bias]| {
                    ops::batch_norm_relu::backward(cx, active()?.1, d_y.clone(), d_x, d_residual, d_gain, d_bias)
                })?);
                all.push(active()?.0);
            }
            Ok(all)
        });
    }
}

#[test]
fn pooling() {
    for ([kernel, stride, padding], dims) in
        [([2, 2, 0], [2, 6, 5, 3]), ([3, 2, 1], [1, 9, 8, 7]), ([3, 1, 1], [2, 4, 4, 33]), ([3, 2, 1], [2, 7, 8, 16])]
    {
        // Of few values, so that many are equal.
        let x = numbers(&dims, 1);
        let few: Vec<f32> = x.as_slice::<f32>().iter().map(|x| x.round()).collect();
        check(&[x, Tensor::from_slice(&few, dims).unwrap()], |cx, x| {
            let mut all = vec![];
            for x in x {
                let largest = || ops::max_pool2d::forward_saving(cx, kernel, stride, padding, x);
                let average = || ops::avg_pool2d::forward_saving(cx, kernel, stride, padding, x);
                let (y, z) = (largest()?.0, average()?.0);
                all.extend(both(cx, [*x.shape()], |[d_x]| ops::max_pool2d::backward(cx, largest()?.1, z.clone(), d_x))?);
                all.extend(both(cx, [*x.shape()], |[d_x]| ops::avg_pool2d::backward(cx, average()?.1, y.clone(), d_x))?);
                all.extend([y, z]);
            }
            Ok(all)
        });
    }
}

/// Two minutes of compiling: `cargo test -p ivon-emulator --test ops -- --ignored --nocapture seeded`.
#[test]
#[ignore = "compiles every bug; run it after changing kernels or the emulator"]
fn seeded_bugs_are_caught() {
    if ivon_emulator::load().is_none() || ivon_emulator::sanitizing() {
        return;
    }
    let (next, results) = (std::sync::Mutex::new(mutations::MUTATIONS.iter()), std::sync::Mutex::new(vec![]));
    std::thread::scope(|s| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            s.spawn(|| {
                while let Some(mutation) = { next.lock().unwrap().next() } {
                    let caught = mutation.caught();
                    results.lock().unwrap().push((mutation.name, caught));
                }
            });
        }
    });
    let mut missed = vec![];
    for (name, caught) in results.into_inner().unwrap() {
        match caught {
            Ok(sign) => println!("{name:60} {sign}"),
            Err(why) => missed.push(why),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

sanitized!(
    norms_of_pictures,
    convolutions_by_our_kernels,
    convolutions_by_cudnn,
    products_in_batches,
    products_of_no_depth,
    pooling,
    batch_norms,
    attention,
    attention_whose_scores_grow_along_the_keys,
    attention_whose_scores_are_far_below_zero,
    attention_sums_in_a_fixed_order_of_blocks,
    attention_of_new_positions_to_those_in_a_cache,
    sums_and_means,
    layer_norm,
    rms_norm,
    softmax_and_its_logarithm,
    cross_entropy_plain_smoothed_and_in_place,
    cross_entropy_of_products_whose_rows_are_not_aligned,
    embedding_sums_repeated_ids_in_their_order,
    dropout_drops_the_same_elements,
    slices_and_concatenations,
    transposes
);
