use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
use crate::ops::shared::specification::{Input, f32_context, gradients, numbers, precision, refused};

/// A window over images of these sizes: (kernel, stride, padding, dilation, groups), then batch, height, width, channels in and out.
#[derive(Clone, Copy)]
struct Case {
    window: [usize; 5],
    x: [usize; 4],
    outputs: usize,
}

fn inputs(case: Case) -> [Input; 3] {
    let [kernel, _, _, _, groups] = case.window;
    let weight = [case.outputs, kernel, kernel, case.x[3] / groups];
    [numbers(case.x), numbers(weight), numbers([case.outputs])]
}

/// Both with a bias and, for gradients, without.
fn specified(small: Case, large: Case) {
    let forward = |case: Case| {
        let [kernel, stride, padding, dilation, groups] = case.window;
        move |cx: &Context, [x, weight, bias]: [&Tensor; 3]| {
            forward_saving(cx, kernel, stride, padding, dilation, groups, x, weight, Some(bias))
        }
    };
    let back = |cx: &Context, saved: Saved, d_y: Tensor, [d_x, d_weight, d_bias]: [&mut Adjoint; 3]| {
        backward(cx, saved, d_y, d_x, d_weight, d_bias)
    };
    gradients(inputs(small), forward(small), back);
    precision(inputs(large), 2e-4, forward(large), back); // of sums of up to some thousand products
    let [kernel, stride, padding, dilation, groups] = small.window;
    let [x, weight, _] = inputs(small);
    gradients(
        [x, weight],
        |cx, [x, weight]| forward_saving(cx, kernel, stride, padding, dilation, groups, x, weight, None),
        |cx, saved, d_y, [d_x, d_weight]| backward(cx, saved, d_y, d_x, d_weight, &mut Adjoint::skip()),
    );
}

#[test]
fn of_three_by_three() {
    let window = [3, 1, 1, 1, 1];
    specified(Case { window, x: [2, 3, 4, 2], outputs: 3 }, Case { window, x: [2, 13, 11, 19], outputs: 37 });
}

#[test]
fn without_padding() {
    let window = [3, 1, 0, 1, 1];
    specified(Case { window, x: [1, 5, 3, 2], outputs: 2 }, Case { window, x: [3, 9, 17, 16], outputs: 33 });
}

#[test]
fn with_strides() {
    let window = [3, 2, 1, 1, 1];
    specified(Case { window, x: [2, 5, 4, 2], outputs: 3 }, Case { window, x: [2, 15, 12, 33], outputs: 18 });
    let window = [2, 3, 0, 1, 1]; // pixels that no window sees
    specified(Case { window, x: [1, 7, 6, 2], outputs: 2 }, Case { window, x: [2, 14, 13, 5], outputs: 7 });
}

#[test]
fn of_single_pixels() {
    let window = [1, 1, 0, 1, 1];
    specified(Case { window, x: [2, 3, 2, 3], outputs: 4 }, Case { window, x: [2, 7, 9, 70], outputs: 35 });
    let window = [1, 2, 0, 1, 1];
    specified(Case { window, x: [2, 5, 4, 3], outputs: 2 }, Case { window, x: [2, 14, 9, 67], outputs: 34 });
    let window = [1, 1, 1, 1, 1]; // a frame of the bias alone
    specified(Case { window, x: [1, 2, 3, 2], outputs: 2 }, Case { window, x: [2, 6, 5, 17], outputs: 34 });
}

#[test]
fn of_a_first_layer() {
    let window = [7, 2, 3, 1, 1];
    specified(Case { window, x: [1, 6, 9, 3], outputs: 2 }, Case { window, x: [2, 33, 30, 3], outputs: 64 });
}

/// Sizes at which the kernels go other ways: pixels copied together, channels in several blocks, columns shared instead of rows, slices of pixels.
#[test]
fn of_many_channels() {
    let window = [3, 1, 1, 1, 1];
    let small = Case { window, x: [1, 2, 3, 2], outputs: 1 };
    specified(small, Case { window, x: [2, 6, 5, 130], outputs: 150 });
    specified(small, Case { window: [3, 2, 1, 1, 1], x: [1, 7, 5, 300], outputs: 400 });
    specified(small, Case { window: [1, 2, 0, 1, 1], x: [1, 40, 41, 260], outputs: 33 });
    specified(small, Case { window, x: [9, 17, 19, 16], outputs: 20 });
}

#[test]
fn with_dilation() {
    let window = [3, 1, 2, 2, 1];
    specified(Case { window, x: [1, 4, 5, 2], outputs: 2 }, Case { window, x: [2, 11, 14, 18], outputs: 9 });
    let window = [2, 2, 1, 3, 1];
    specified(Case { window, x: [1, 6, 5, 1], outputs: 2 }, Case { window, x: [2, 15, 12, 16], outputs: 35 });
}

#[test]
fn in_groups() {
    let window = [3, 1, 1, 1, 2];
    specified(Case { window, x: [2, 3, 4, 4], outputs: 6 }, Case { window, x: [2, 9, 8, 34], outputs: 22 });
    let window = [3, 2, 1, 1, 3];
    specified(Case { window, x: [1, 5, 4, 3], outputs: 6 }, Case { window, x: [2, 9, 8, 51], outputs: 30 });
}

#[test]
fn of_each_channel_alone() {
    let window = [3, 1, 1, 1, 5];
    specified(Case { window, x: [1, 4, 3, 5], outputs: 5 }, Case { window: [3, 1, 1, 1, 33], x: [2, 9, 8, 33], outputs: 33 });
    let window = [3, 2, 1, 1, 2]; // two outputs a channel
    specified(Case { window, x: [1, 4, 3, 2], outputs: 4 }, Case { window: [3, 2, 1, 1, 17], x: [2, 9, 8, 17], outputs: 34 });
}

/// Depthwise kernels of several sizes, with channels for every width of their register tiles, rows that are wider and narrower than
/// a tile, and taps that never see the image.
#[test]
fn of_each_channel_alone_in_windows_of_all_sizes() {
    for (window, small, large) in [
        ([3, 1, 1, 1], [1, 4, 7, 3], [2, 9, 14, 117]),
        ([3, 2, 1, 1], [2, 5, 6, 2], [2, 15, 26, 99]),
        ([5, 1, 2, 1], [1, 3, 8, 2], [1, 12, 13, 48]),
        ([5, 2, 2, 1], [1, 6, 5, 2], [2, 11, 21, 64]),
        ([7, 1, 3, 1], [1, 4, 5, 2], [2, 7, 7, 96]),
        ([7, 1, 3, 1], [1, 9, 3, 2], [1, 21, 23, 35]),
        ([3, 1, 0, 1], [1, 4, 5, 2], [2, 8, 19, 17]),
        ([3, 1, 2, 2], [1, 6, 5, 2], [1, 10, 17, 80]),
        ([2, 3, 0, 1], [1, 7, 6, 2], [2, 14, 13, 33]),
        ([1, 2, 1, 1], [1, 4, 5, 2], [2, 8, 7, 65]),
        ([3, 1, 5, 1], [1, 2, 1, 2], [2, 3, 2, 16]),
    ] {
        let case = |x: [usize; 4]| {
            let [kernel, stride, padding, dilation] = window;
            Case { window: [kernel, stride, padding, dilation, x[3]], x, outputs: x[3] }
        };
        specified(case(small), case(large));
    }
}

#[test]
fn without_images() {
    let window = [3, 1, 1, 1, 1];
    let empty = Case { window, x: [0, 3, 4, 2], outputs: 3 };
    specified(empty, empty);
    let of_each_channel = Case { window: [3, 1, 1, 1, 2], x: [0, 3, 4, 2], outputs: 2 };
    specified(of_each_channel, of_each_channel);
}

/// In bf16 the products are of operands with 8 significant bits: 2^-8 of their size, whether the weights are stored so or rounded on the way, in every way that
/// the kernels go: pairs of channels, an odd number of them, single pixels, groups, few rows and many weights.
#[test]
fn bf16_costs_as_much_precision_as_it_has() {
    let cases = [
        ([3, 1, 1, 1, 1], [2, 13, 11, 34], 38),
        ([3, 2, 1, 1, 1], [2, 15, 12, 32], 18),
        ([3, 1, 1, 1, 1], [2, 9, 7, 19], 21),
        ([7, 2, 3, 1, 1], [1, 33, 30, 3], 40),
        ([1, 1, 0, 1, 1], [2, 7, 9, 70], 35),
        ([1, 2, 0, 1, 1], [1, 40, 41, 260], 34),
        ([3, 1, 1, 1, 2], [2, 9, 8, 34], 22),
        ([3, 2, 1, 1, 1], [1, 7, 5, 700], 400),
    ];
    // Numbers that bf16 cannot hold.
    let values = |n: usize, shift: f64| (0..n).map(|i| (1.7 * (i % 8191 * i) as f64 + shift).sin()).collect::<Vec<f64>>();
    let double = |x: &[f64], shape: &[usize]| Tensor::from_slice(x, shape).unwrap();
    let single =
        |x: &[f64], shape: &[usize]| Tensor::from_slice(&x.iter().map(|x| *x as f32).collect::<Vec<_>>(), shape).unwrap();
    let stored = |x: &[f64], shape: &[usize]| {
        Tensor::from_slice(&x.iter().map(|x| half::bf16::from_f64(*x)).collect::<Vec<_>>(), shape).unwrap()
    };
    for (window, x_shape, outputs) in cases {
        let [kernel, stride, padding, dilation, groups] = window;
        let weight_shape = [outputs, kernel, kernel, x_shape[3] / groups];
        let (x, weight) = (values(x_shape.iter().product(), 0.1), values(weight_shape.iter().product(), 0.2));
        let run = |dtype: DType, of: &dyn Fn(&[f64], &[usize]) -> Tensor, weight: Tensor| {
            let cx = Context::new(Device::Cpu, dtype).unwrap();
            let (y, saved) =
                forward_saving(&cx, kernel, stride, padding, dilation, groups, &of(&x, &x_shape), &weight, None).unwrap();
            let d_y = of(&values(y.shape().elements(), 0.3), y.shape());
            // To what is there already.
            let mut adjoints = [Adjoint::of(of(&x, &x_shape)), Adjoint::new()];
            let [d_x, d_weight] = &mut adjoints;
            backward(&cx, saved, d_y, d_x, d_weight, &mut Adjoint::skip()).unwrap();
            let gradients = adjoints.map(|a| a.into_sum("gradient").unwrap().to_f64());
            [y.to_f64()].into_iter().chain(gradients).collect::<Vec<_>>()
        };
        let expected = run(DType::F64, &double, double(&weight, &weight_shape));
        for weight in [stored(&weight, &weight_shape), single(&weight, &weight_shape)] {
            let found = run(DType::Bf16, &single, weight);
            for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
                let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
                let error = norm(&mut expected.iter().zip(found).map(|(e, f)| e - f)) / norm(&mut expected.iter().copied());
                assert!(error < 2.0f64.powi(-8), "{window:?} over {x_shape:?}, result {i}: relative error {error:e}");
            }
        }
    }
}

/// PyTorch 2: `torch.nn.functional.conv2d` of `arange(2 * 3 * 4 * 2)` modulo 7 and weights `arange` modulo 5, with these settings.
#[test]
fn known_values() {
    let cx = f32_context();
    let modulo = |shape: [usize; 4], m: usize| {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|i| (i % m) as f32).collect();
        Tensor::from_slice(&numbers, shape).unwrap()
    };
    let (x, weight) = (modulo([1, 4, 5, 2], 7), modulo([2, 2, 2, 2], 5));
    let y = forward(&cx, 2, 2, 1, 2, 1, &x, &weight, None).unwrap();
    assert_eq!(&y.shape()[..], [1, 2, 3, 2]);
    assert_eq!(y.as_slice::<f32>(), KNOWN);
}

const KNOWN: &[f32] = &[17.0, 20.0, 28.0, 36.0, 8.0, 13.0, 42.0, 22.0, 40.0, 69.0, 7.0, 26.0];

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let x = of(&[2, 5, 4, 6]);
    let run = |window: [usize; 5], weight: &[usize], bias: Option<Tensor>| {
        let [kernel, stride, padding, dilation, groups] = window;
        forward(&cx, kernel, stride, padding, dilation, groups, &x, &of(weight), bias.as_ref())
    };
    refused(run([3, 1, 1, 1, 1], &[8, 3, 3, 5], None), &["conv2d", "[2, 5, 4, 6]", "[8, 3, 3, 5]", "must be 6"]);
    refused(run([3, 1, 1, 1, 1], &[8, 5, 5, 6], None), &["`weight` is [8, 5, 5, 6]", "[OUT, 3, 3, ..]"]);
    refused(run([3, 1, 1, 1, 1], &[8, 54], None), &["`weight` is [8, 54]"]);
    refused(run([3, 1, 1, 1, 4], &[8, 3, 3, 1], None), &["4 groups", "6 channels"]);
    refused(run([3, 1, 1, 1, 3], &[8, 3, 3, 2], None), &["3 groups", "the 8 of the output"]);
    refused(run([5, 1, 0, 1, 1], &[8, 5, 5, 6], None), &["width of 4", "kernel of 5"]);
    refused(run([3, 1, 0, 2, 1], &[8, 3, 3, 6], None), &["width of 4", "reaches over 5 pixels"]);
    refused(run([3, 0, 1, 1, 1], &[8, 3, 3, 6], None), &["STRIDE is 0"]);
    refused(run([3, 1, 1, 1, 0], &[8, 3, 3, 6], None), &["GROUPS is 0"]);
    refused(run([3, 1, 1, 1, 1], &[8, 3, 3, 6], Some(of(&[6]))), &["`bias` is [6]", "[8]"]);
    refused(forward(&cx, 3, 1, 1, 1, 1, &of(&[5, 4, 6]), &of(&[8, 3, 3, 6]), None), &["`x` is [5, 4, 6]", "[B, H, W, C]"]);
}
