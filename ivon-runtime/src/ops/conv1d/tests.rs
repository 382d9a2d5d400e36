use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
use crate::ops::shared::specification::{f32_context, gradients, numbers, precision, refused};

/// Kernel, stride, padding before and after, dilation, groups.
type Numbers = [usize; 6];

fn specified([kernel, stride, before, after, dilation, groups]: Numbers, small: ([usize; 3], usize), large: ([usize; 3], usize)) {
    let inputs = |(x, outputs): ([usize; 3], usize)| [numbers(x), numbers([outputs, kernel, x[2] / groups]), numbers([outputs])];
    let forward = |cx: &Context, [x, weight, bias]: [&Tensor; 3]| {
        forward_saving(cx, kernel, stride, before, after, dilation, groups, x, weight, Some(bias))
    };
    let back = |cx: &Context, saved: Saved, d_y: Tensor, [d_x, d_weight, d_bias]: [&mut Adjoint; 3]| {
        backward(cx, saved, d_y, d_x, d_weight, d_bias)
    };
    gradients(inputs(small), forward, back);
    precision(inputs(large), 2e-4, forward, back); // of sums of up to some thousand products
}

#[test]
fn gradients_are_those_of_the_definition() {
    specified([3, 1, 1, 1, 1, 1], ([2, 5, 2], 3), ([2, 33, 19], 37));
    specified([4, 2, 0, 3, 1, 1], ([2, 6, 3], 2), ([3, 40, 16], 21));
    specified([1, 1, 0, 0, 1, 1], ([2, 4, 3], 2), ([2, 17, 40], 35));
    specified([7, 2, 3, 3, 1, 1], ([1, 8, 2], 2), ([2, 50, 3], 40)); // few channels
}

#[test]
fn a_causal_one_is_padded_before_alone() {
    specified([2, 1, 4, 0, 4, 1], ([1, 7, 2], 2), ([2, 30, 18], 33));
    specified([3, 1, 2, 0, 1, 1], ([2, 4, 1], 2), ([2, 21, 5], 17)); // few channels
    specified([2, 3, 0, 5, 2, 1], ([1, 6, 2], 2), ([2, 23, 16], 9));
}

#[test]
fn in_groups_and_of_each_channel_alone() {
    specified([3, 2, 2, 1, 1, 2], ([1, 6, 4], 6), ([2, 31, 34], 22));
    specified([3, 1, 2, 0, 1, 2], ([1, 5, 2], 2), ([2, 21, 2], 2));
    specified([5, 2, 4, 1, 2, 3], ([1, 9, 3], 3), ([2, 40, 3], 3));
}

/// PyTorch 2: `conv1d` with a stride of 2, a dilation of 2 and 2 groups of `arange(14)` modulo 5, padded by 3 and 1, and weights
/// `arange` modulo 4.
#[test]
fn known_values() {
    let modulo = |shape: [usize; 3], m: usize| {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| (i % m) as f64).collect();
        Tensor::from_slice(&numbers, shape).unwrap()
    };
    let bias = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0], [4]).unwrap();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let y = forward(&cx, 3, 2, 3, 1, 2, 2, &modulo([1, 7, 2], 5), &modulo([4, 3, 1], 4), Some(&bias)).unwrap();
    assert_eq!(&y.shape()[..], [1, 4, 4]);
    assert_eq!(y.as_slice::<f64>(), [5.0, 4.0, 3.0, 13.0, 5.0, 3.0, 12.0, 16.0, 2.0, 8.0, 15.0, 14.0, 1.0, 5.0, 10.0, 8.0]);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let run = |[kernel, stride, before, after, dilation, groups]: Numbers, x: &[usize], weight: &[usize]| {
        forward(&cx, kernel, stride, before, after, dilation, groups, &of(x), &of(weight), None)
    };
    refused(run([3, 1, 1, 1, 1, 1], &[2, 5, 4, 6], &[8, 3, 6]), &["conv1d", "[2, 5, 4, 6]", "[B, T, C]"]);
    refused(run([3, 1, 1, 1, 1, 1], &[2, 5, 6], &[8, 3]), &["`weight` is [8, 3]", "[OUT, KERNEL, C / GROUPS]"]);
    refused(run([3, 1, 0, 0, 3, 1], &[2, 6, 6], &[8, 3, 6]), &["`x` is [2, 6, 6]", "length of 6", "reaches over 7 pixels"]);
    refused(run([3, 1, 1, 0, 1, 1], &[2, 1, 6], &[8, 3, 6]), &["padded by 1 before and 0 after", "kernel of 3"]);
    refused(run([3, 0, 1, 1, 1, 1], &[2, 5, 6], &[8, 3, 6]), &["STRIDE is 0"]);
    refused(run([3, 1, 1, 1, 1, 4], &[2, 5, 6], &[8, 3, 1]), &["4 groups", "6 channels"]);
}
