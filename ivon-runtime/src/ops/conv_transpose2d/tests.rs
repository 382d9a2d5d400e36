use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
use crate::ops::shared::specification::{f32_context, gradients, numbers, precision, refused};

/// Kernel, stride, padding, output padding, dilation, groups.
type Numbers = [usize; 6];

fn specified([kernel, stride, padding, more, dilation, groups]: Numbers, small: ([usize; 4], usize), large: ([usize; 4], usize)) {
    let inputs =
        |(x, outputs): ([usize; 4], usize)| [numbers(x), numbers([x[3], kernel, kernel, outputs / groups]), numbers([outputs])];
    let forward = |cx: &Context, [x, weight, bias]: [&Tensor; 3]| {
        forward_saving(cx, kernel, stride, padding, more, dilation, groups, x, weight, Some(bias))
    };
    let back = |cx: &Context, saved: Saved, d_y: Tensor, [d_x, d_weight, d_bias]: [&mut Adjoint; 3]| {
        backward(cx, saved, d_y, d_x, d_weight, d_bias)
    };
    gradients(inputs(small), forward, back);
    precision(inputs(large), 2e-4, forward, back); // of sums of up to some thousand products
}

#[test]
fn gradients_are_those_of_the_definition() {
    specified([2, 2, 0, 0, 1, 1], ([1, 2, 3, 3], 2), ([2, 9, 7, 34], 17));
    specified([3, 2, 1, 1, 1, 1], ([2, 2, 3, 2], 2), ([2, 8, 9, 19], 33));
    specified([4, 2, 1, 0, 1, 1], ([1, 3, 2, 2], 3), ([2, 8, 5, 16], 3)); // few channels
    specified([3, 1, 2, 0, 2, 1], ([1, 3, 2, 2], 2), ([1, 8, 9, 18], 16));
    specified([1, 1, 0, 0, 1, 1], ([1, 2, 3, 2], 3), ([2, 7, 5, 33], 34));
    specified([2, 3, 0, 2, 1, 1], ([1, 2, 3, 2], 2), ([1, 4, 5, 7], 16)); // pixels that nothing reaches
}

#[test]
fn in_groups_and_of_each_channel_alone() {
    specified([3, 2, 1, 0, 1, 2], ([1, 2, 3, 4], 6), ([2, 9, 8, 34], 22));
    specified([3, 2, 1, 1, 1, 3], ([1, 2, 3, 3], 3), ([2, 9, 8, 3], 3));
}

#[test]
fn of_one_pixel() {
    specified([1, 1, 0, 0, 1, 1], ([1, 1, 1, 2], 3), ([1, 1, 1, 7], 5));
}

/// PyTorch 2: `conv_transpose2d` with a stride of 2, a padding and an output padding of 1 and 2 groups of `arange(12)` modulo 7 and
/// weights `arange` modulo 5.
#[test]
fn known_values() {
    let modulo = |shape: [usize; 4], m: usize| {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| (i % m) as f64).collect();
        Tensor::from_slice(&numbers, shape).unwrap()
    };
    let bias = Tensor::from_slice(&[1.0f64, 2.0], [2]).unwrap();
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let y = forward(&cx, 3, 2, 1, 1, 1, 2, &modulo([1, 2, 3, 2], 7), &modulo([2, 3, 3, 1], 5), Some(&bias)).unwrap();
    assert_eq!(&y.shape()[..], [1, 4, 6, 2]);
    let known = [
        1, 5, 7, 12, 9, 11, 13, 24, 17, 17, 1, 22, 7, 3, 15, 12, 6, 5, 13, 26, 12, 7, 19, 16, 25, 2, 4, 6, 5, 8, 10, 18, 13, 14,
        1, 18, 13, 2, 20, 2, 3, 4, 7, 6, 7, 6, 10, 10,
    ];
    assert_eq!(y.as_slice::<f64>(), known.map(f64::from));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let run = |[kernel, stride, padding, more, dilation, groups]: Numbers, x: &[usize], weight: &[usize]| {
        forward(&cx, kernel, stride, padding, more, dilation, groups, &of(x), &of(weight), None)
    };
    refused(run([2, 2, 0, 0, 1, 1], &[5, 4, 6], &[6, 2, 2, 8]), &["conv_transpose2d", "`x` is [5, 4, 6]", "[B, H, W, C]"]);
    refused(run([2, 2, 0, 0, 1, 1], &[2, 5, 4, 6], &[8, 2, 2, 6]), &["[8, 2, 2, 6]", "[6, 2, 2, 6]", "[2, 5, 4, 6]"]);
    refused(run([2, 2, 0, 2, 1, 1], &[2, 5, 4, 6], &[6, 2, 2, 8]), &["OUTPUT_PADDING is 2", "STRIDE, 2"]);
    refused(run([2, 1, 3, 0, 1, 1], &[2, 5, 4, 6], &[6, 2, 2, 8]), &["height of 5", "padding of 3"]);
    refused(run([2, 0, 0, 0, 1, 1], &[2, 5, 4, 6], &[6, 2, 2, 8]), &["STRIDE is 0"]);
    refused(run([2, 2, 0, 0, 1, 0], &[2, 5, 4, 6], &[6, 2, 2, 8]), &["GROUPS is 0"]);
    refused(run([2, 2, 0, 0, 1, 4], &[2, 5, 4, 6], &[6, 2, 2, 8]), &["4 groups"]);
}
