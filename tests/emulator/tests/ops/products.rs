//! Products of matrices, and what is computed along with them.

use crate::both;
use crate::compare::{check_within, look_for_the_emulator, numbers, real_gpu};
use ivon_runtime::{Adjoint, Context, DType, Device, ops};

/// A few matrices, and more than the library takes at once.
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
    if !look_for_the_emulator() || real_gpu() {
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
