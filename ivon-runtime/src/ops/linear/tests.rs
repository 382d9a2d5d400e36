use super::*;
use crate::core::dtype::DType;
use crate::device::Device;
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

#[test]
fn gradients_and_precision_without_a_bias() {
    specify!(
        [numbers([4]), numbers([3, 4])],
        [numbers([371, 67]), numbers([129, 67])],
        2e-5, // of sums of 371 products
        |cx, [x, weight]| forward_saving(cx, x, weight, None),
        |cx, saved, d_y, [d_x, d_weight]| backward(cx, saved, d_y, d_x, d_weight, &mut Adjoint::skip())
    );
}

/// With weights of bf16 the products are of operands with 8 significant bits: 2^-8 of their size.
#[test]
fn weights_of_bf16_cost_as_much_precision_as_they_have() {
    let cx = Context::new(Device::Cpu, DType::Bf16).unwrap();
    let exact = Context::new(Device::Cpu, DType::F64).unwrap();
    // Numbers that bf16 cannot hold.
    let values = |n: usize, shift: f64| (0..n).map(|i| (1.7 * (i * i) as f64 + shift).sin()).collect::<Vec<f64>>();
    let (x, weight, bias, d_y) = (values(67 * 40, 0.1), values(129 * 40, 0.2), values(129, 0.3), values(67 * 129, 0.4));
    let stored: Vec<half::bf16> = weight.iter().map(|x| half::bf16::from_f64(*x)).collect();
    let run = |cx: &Context, x: Tensor, weight: Tensor, bias: Tensor, d_y: Tensor| {
        let (y, saved) = forward_saving(cx, &x, &weight, Some(&bias)).unwrap();
        let mut adjoints = [Adjoint::new(), Adjoint::new(), Adjoint::new()];
        let [d_x, d_weight, d_bias] = &mut adjoints;
        backward(cx, saved, d_y, d_x, d_weight, d_bias).unwrap();
        let gradients = adjoints.map(|a| a.into_sum("gradient").unwrap().to_f64());
        [y.to_f64()].into_iter().chain(gradients).collect::<Vec<_>>()
    };
    let double = |x: &[f64], shape: &[usize]| Tensor::from_slice(x, shape).unwrap();
    let single =
        |x: &[f64], shape: &[usize]| Tensor::from_slice(&x.iter().map(|x| *x as f32).collect::<Vec<_>>(), shape).unwrap();
    let of = |f: &dyn Fn(&[f64], &[usize]) -> Tensor, cx, weight| {
        run(cx, f(&x, &[67, 40]), weight, f(&bias, &[129]), f(&d_y, &[67, 129]))
    };
    let expected = of(&double, &exact, double(&weight, &[129, 40]));
    let found = of(&single, &cx, Tensor::from_slice(&stored, [129, 40]).unwrap());
    for (expected, found) in expected.iter().zip(&found) {
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let error = norm(&mut expected.iter().zip(found).map(|(e, f)| e - f)) / norm(&mut expected.iter().copied());
        assert!(error < 2.0f64.powi(-8), "relative error {error:e}");
    }
}

#[test]
fn known_values() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2]).unwrap();
    let weight = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]).unwrap();
    let bias = Tensor::from_slice(&[10.0f32, 20.0, 30.0], [3]).unwrap();
    let y = forward(&cx, &x, &weight, Some(&bias)).unwrap();
    assert_eq!((&y.shape()[..], y.as_slice::<f32>()), (&[1, 3][..], &[11.0, 22.0, 33.0][..]));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    refused(forward(&cx, &of(&[2, 3]), &of(&[5, 4]), None), &["linear", "`x` is [2, 3]", "`weight` is [5, 4]", "must be 4"]);
    refused(forward(&cx, &of(&[2, 4]), &of(&[5, 4]), Some(&of(&[4]))), &["`bias` is [4]", "[5]"]);
    refused(forward(&cx, &of(&[2, 4]), &of(&[4]), None), &["`weight` is [4]"]);
    refused(forward(&cx, &of(&[]), &of(&[5, 4]), None), &["`x` is []"]);
}
