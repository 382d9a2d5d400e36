use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
use crate::ops::shared::specification::{f32_context, gradients, numbers, precision, refused};

/// A window, and how many groups.
#[derive(Clone, Copy)]
struct Case {
    taps: [usize; 2],
    strides: [usize; 2],
    /// Top, bottom, left, right.
    padding: [usize; 4],
    dilations: [usize; 2],
    groups: usize,
}

impl Case {
    fn forward(self, cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)> {
        let Case { taps: [high, wide], strides: [rows, columns], padding: [top, bottom, left, right], dilations, groups } = self;
        let [down, across] = dilations;
        forward_saving(cx, high, wide, rows, columns, top, bottom, left, right, down, across, groups, x, weight, bias)
    }

    fn specified(self, small: ([usize; 4], usize), large: ([usize; 4], usize)) {
        let inputs = |(x, outputs): ([usize; 4], usize)| {
            [numbers(x), numbers([outputs, self.taps[0], self.taps[1], x[3] / self.groups]), numbers([outputs])]
        };
        let forward = |cx: &Context, [x, weight, bias]: [&Tensor; 3]| self.forward(cx, x, weight, Some(bias));
        let back = |cx: &Context, saved: Saved, d_y: Tensor, [d_x, d_weight, d_bias]: [&mut Adjoint; 3]| {
            backward(cx, saved, d_y, d_x, d_weight, d_bias)
        };
        gradients(inputs(small), forward, back);
        precision(inputs(large), 2e-4, forward, back); // of sums of up to some thousand products
    }
}

#[test]
fn gradients_are_those_of_the_definition() {
    let row = Case { taps: [1, 5], strides: [1, 1], padding: [0, 0, 2, 2], dilations: [1, 1], groups: 1 };
    row.specified(([1, 3, 6, 2], 2), ([2, 7, 19, 18], 33));
    row.specified(([1, 3, 6, 2], 2), ([2, 7, 19, 3], 33)); // few channels
    let column = Case { taps: [7, 1], padding: [3, 3, 0, 0], ..row };
    column.specified(([1, 5, 3, 2], 2), ([2, 17, 9, 33], 18));
    let every = Case { taps: [2, 3], strides: [3, 2], padding: [1, 2, 0, 3], dilations: [2, 1], groups: 1 };
    every.specified(([1, 5, 6, 2], 3), ([2, 14, 13, 16], 35));
    every.specified(([1, 5, 6, 1], 3), ([2, 14, 13, 5], 7)); // few channels
}

#[test]
fn in_groups_and_of_each_channel_alone() {
    let case = Case { taps: [3, 2], strides: [1, 2], padding: [2, 0, 1, 0], dilations: [1, 2], groups: 2 };
    case.specified(([1, 4, 5, 4], 2), ([2, 9, 12, 34], 22));
    case.specified(([1, 4, 5, 2], 2), ([2, 9, 12, 2], 2));
    let alone = Case { taps: [1, 5], strides: [2, 1], padding: [0, 1, 4, 0], dilations: [1, 1], groups: 3 };
    alone.specified(([1, 4, 5, 3], 3), ([2, 9, 22, 3], 3));
}

/// PyTorch 2: `conv2d` with strides of 1 and 2 and dilations of 2 and 1 of `arange(40)` modulo 7, padded by 0, 1, 2 and 1 at the top,
/// bottom, left and right, and weights `arange` modulo 5.
#[test]
fn known_values() {
    let modulo = |shape: [usize; 4], m: usize| {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| (i % m) as f64).collect();
        Tensor::from_slice(&numbers, shape).unwrap()
    };
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let (x, weight) = (modulo([1, 4, 5, 2], 7), modulo([2, 2, 3, 2], 5));
    let y = forward(&cx, 2, 3, 1, 2, 0, 1, 2, 1, 2, 1, 1, &x, &weight, None).unwrap();
    assert_eq!(&y.shape()[..], [1, 3, 3, 2]);
    let known = [0, 14, 51, 63, 72, 86, 15, 24, 72, 75, 51, 63, 24, 6, 20, 27, 32, 40];
    assert_eq!(y.as_slice::<f64>(), known.map(f64::from));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let case = Case { taps: [1, 5], strides: [1, 1], padding: [0; 4], dilations: [1, 1], groups: 1 };
    let run = |x: &[usize], weight: &[usize]| Ok(case.forward(&cx, &cx.zeros(x).unwrap(), &cx.zeros(weight).unwrap(), None)?.0);
    refused(run(&[2, 5, 4, 6], &[8, 1, 5, 6]), &["conv2d_rectangular", "width of 4", "kernel of 5"]);
    refused(run(&[2, 5, 9, 6], &[8, 5, 1, 6]), &["`weight` is [8, 5, 1, 6]", "[OUT, 1, 5, ..]"]);
}
