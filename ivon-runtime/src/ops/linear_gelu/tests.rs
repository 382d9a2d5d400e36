use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
use crate::ops::gradcheck;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

#[test]
fn gradients_and_precision_with_a_bias() {
    specify!(
        [numbers([2, 3, 4]), numbers([5, 4]), numbers([5])],
        [numbers([7, 53, 67]), numbers([129, 67]), numbers([129])],
        2e-5, // of sums of 371 products
        |cx, [x, weight, bias]| forward_saving(cx, x, weight, Some(bias)),
        |cx, saved, d_y, [d_x, d_weight, d_bias]| backward(cx, saved, d_y, d_x, d_weight, d_bias)
    );
}

/// y = up₂(gelu(up(x))) with the slope multiplied along with the gradient of the second product's input.
#[test]
fn gradients_and_precision_through_the_next_product() {
    specify!(
        [numbers([2, 3, 4]), numbers([5, 4]), numbers([3, 5])],
        [numbers([7, 53, 67]), numbers([129, 67]), numbers([70, 129])],
        1e-4, // of sums of sums
        |cx, [x, up, down]| {
            let (hidden, first) = forward_saving(cx, x, up, None)?;
            let (y, second) = linear::forward_saving(cx, &hidden, down, None)?;
            Ok((y, (first, second)))
        },
        |cx, (first, second), d_y, [d_x, d_up, d_down]| {
            let mut d_hidden = adjoint(&first);
            linear::backward(cx, second, d_y, &mut d_hidden, d_down, &mut Adjoint::skip())?;
            assert!(d_hidden.is_empty(), "the slope was not multiplied along");
            backward(cx, first, d_hidden, d_x, d_up, &mut Adjoint::skip())
        }
    );
}

/// One after the other the same numbers are computed, in every type, whether h is kept or not, and however many use y.
#[test]
fn the_numbers_are_those_of_the_steps_one_by_one() {
    // In bf16, what is rounded before the next product may be rounded to a neighbour.
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::Bf16, 4e-3), (DType::F64, 1e-14)] {
        let cx = Context::new(Device::Cpu, dtype).unwrap();
        let of = |shape: &[usize], seed| gradcheck::tensor(&cx, shape, seed).unwrap();
        let close = |found: &Tensor, expected: &Tensor| {
            let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
            let (found, expected) = (found.to_f64(), expected.to_f64());
            let error = norm(&mut found.iter().zip(&expected).map(|(f, e)| f - e)) / norm(&mut expected.iter().copied());
            assert!(error <= tolerance, "{dtype:?}: relative error {error:e}");
        };
        for [rows, inputs, outputs] in [[371, 67, 129], [40, 600, 33], [900, 40, 33], [530, 300, 500]] {
            let (x, up, bias) = (of(&[rows, inputs], 1), of(&[outputs, inputs], 2), of(&[outputs], 3));
            let (down, d_z) = (of(&[inputs, outputs], 4), of(&[rows, inputs], 5));
            let h = linear::forward(&cx, &x, &up, Some(&bias)).unwrap();
            let y = pointwise::forward(&cx, Gelu, [&h], []).unwrap();
            let (found, saved) = forward_saving(&cx, &x, &up, Some(&bias)).unwrap();
            close(&found, &y);
            assert_eq!(saved.h.to_f64(), h.to_f64(), "{dtype:?}");
            assert_eq!(forward(&cx, &x, &up, Some(&bias)).unwrap().to_f64(), found.to_f64(), "{dtype:?}, nothing kept");

            // A product may multiply with the slope; a second one comes too late for that, and another op knows nothing of it.
            for [products, others] in [[1, 0], [2, 0], [1, 1], [2, 1], [0, 1]] {
                let contribute = |mut d_y: Adjoint| {
                    for _ in 0..products {
                        let (_, next) = linear::forward_saving(&cx, &y, &down, None).unwrap();
                        linear::backward(&cx, next, d_z.clone(), &mut d_y, &mut Adjoint::skip(), &mut Adjoint::skip()).unwrap();
                    }
                    (0..others).for_each(|_| d_y.add(&cx, y.clone()).unwrap());
                    d_y
                };
                let gradients = |d_y: Adjoint| {
                    let (_, saved) = forward_saving(&cx, &x, &up, Some(&bias)).unwrap();
                    let mut all = [Adjoint::new(), Adjoint::new(), Adjoint::new()];
                    let [d_x, d_up, d_bias] = &mut all;
                    backward(&cx, saved, d_y, d_x, d_up, d_bias).unwrap();
                    all.map(|d| d.into_sum("gradient").unwrap())
                };
                let plain = gradients(contribute(Adjoint::new()));
                let through = gradients(contribute(adjoint(&saved)));
                through.iter().zip(&plain).for_each(|(through, plain)| close(through, plain));
            }
        }
    }
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2]).unwrap();
    let weight = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]).unwrap();
    let bias = Tensor::from_slice(&[0.0f32, 0.0, -4.0], [3]).unwrap();
    let y = forward(&cx, &x, &weight, Some(&bias)).unwrap();
    // PyTorch's gelu(.., approximate="tanh") of 1, 2 and -1.
    let expected = [0.841_192f32, 1.954_597_7, -0.158_808];
    assert!(y.as_slice::<f32>().iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6), "{:?}", y.as_slice::<f32>());
}

#[test]
fn what_does_not_fit_is_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[5, 4]), None), &["linear_gelu", "`x` is [2, 3]", "must be 4"]);
    let (_, saved) = forward_saving(&cx, &of(&[2, 4]), &of(&[5, 4]), None).unwrap();
    let d_y = adjoint(&saved);
    let [mut d_x, mut d_weight, mut d_bias] = [Adjoint::new(), Adjoint::new(), Adjoint::new()];
    refused(
        backward(&cx, saved, d_y, &mut d_x, &mut d_weight, &mut d_bias),
        &["linear_gelu", "no op gave this value a gradient"],
    );
}
