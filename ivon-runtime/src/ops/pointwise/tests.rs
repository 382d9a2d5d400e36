use super::*;
use crate::ops::shared::specification::{f32_context, numbers, refused, specify};

/// y = tanh(x) · gain + scale · b, with a gain and b of any shape that broadcasts.
struct Fused;
impl Kernel<3, 1, 1> for Fused {
    const NAME: &'static str = "x.tanh() * gain + 0.5 * b";
    const CUDA: &'static str = "y0 = tanhf(x0) * x1 + s0 * x2;";
    const OPERATIONS: usize = 4;
    #[inline(always)]
    fn apply<E: Real>([x, gain, b]: [E; 3], [s]: [E; 1]) -> [E; 1] {
        [x.tanh() * gain + s * b]
    }
}

/// Computes from d_y, x and gain: d_x = d_y gain (1 - tanh² x), d_gain = d_y tanh x, d_b = scale · d_y.
struct FusedBackward;
impl Kernel<3, 1, 3> for FusedBackward {
    const NAME: &'static str = Fused::NAME;
    const CUDA: &'static str = "const float t = tanhf(x1);\ny0 = x0 * x2 * (1.0f - t * t);\ny1 = x0 * t;\ny2 = s0 * x0;";
    const OPERATIONS: usize = 7;
    #[inline(always)]
    fn apply<E: Real>([d_y, x, gain]: [E; 3], [s]: [E; 1]) -> [E; 3] {
        let t = x.tanh();
        [d_y * gain * (E::of(1.0) - t * t), d_y * t, s * d_y]
    }
}

#[test]
fn gradients_and_precision_of_every_broadcast() {
    let forward_saving = |cx: &Context, inputs: [&Tensor; 3]| {
        let y = forward(cx, Fused, inputs, [0.5])?;
        let shape = *y.shape();
        Ok((y, (shape, inputs.map(Tensor::clone))))
    };
    let backward =
        |cx: &Context, (shape, [x, gain, b]): (Shape, [Tensor; 3]), d_y: Tensor, [d_x, d_gain, d_b]: [&mut Adjoint; 3]| {
            let adjoints = [(d_x, *x.shape()), (d_gain, *gain.shape()), (d_b, *b.shape())];
            super::backward(cx, FusedBackward, shape, [&d_y, &x, &gain], [0.5], adjoints)
        };
    for (x, gain, b) in [
        (vec![2, 3, 4], vec![4], vec![]),
        (vec![2, 3, 4], vec![3, 4], vec![2, 3, 4]),
        (vec![4], vec![2, 4], vec![1]),
        (vec![3], vec![3], vec![3]),
        (vec![2, 3, 4], vec![2, 1, 4], vec![3, 1]),
        (vec![2, 3, 1], vec![4], vec![2, 1, 1]),
        (vec![2, 1, 3, 1], vec![1, 4, 1, 2], vec![2, 4, 3, 2]),
    ] {
        // Four axes are many enough as they are.
        let longer = |d: &usize| if *d == 1 || b.len() == 4 { *d } else { d * 17 + 2 };
        let large = |dims: &[usize]| numbers(&*dims.iter().map(longer).collect::<Vec<_>>());
        specify!(
            [numbers(&*x), numbers(&*gain), numbers(&*b)],
            [large(&x), large(&gain), large(&b)],
            3e-5, // of sums of up to 72 000 terms
            forward_saving,
            backward
        );
    }
}

#[test]
fn a_wide_output_is_summed_in_groups_of_rows() {
    // 1 is a width of its own, 5 and 300 take groups of rows, 20000 blocks of columns.
    for (rows, width) in [(50_001, 1), (9001, 5), (777, 300), (5, 20_000)] {
        let cx = crate::ops::shared::specification::f64_context();
        let d_y = crate::ops::gradcheck::tensor(&cx, [rows, width], 1).unwrap();
        let shape = if width == 1 { Shape::default() } else { Shape::new(&[width]) };
        let d_y = if width == 1 { d_y.reshaped([rows]) } else { d_y };
        let mut adjoint = Adjoint::new();
        pass_through(&cx, &d_y, &mut adjoint, shape).unwrap();
        let found = adjoint.into_option().unwrap().to_f64();
        let x = d_y.to_f64();
        for (j, found) in found.iter().enumerate() {
            let exact: f64 = (0..rows).map(|i| x[i * width + j]).sum();
            assert!((found - exact).abs() < 1e-9, "{found} and {exact}");
        }
    }
}

#[test]
fn passing_through_shares_reduces_and_accumulates() {
    let cx = f32_context();
    let d_y = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let mut same = Adjoint::new();
    pass_through(&cx, &d_y, &mut same, *d_y.shape()).unwrap();
    assert!(!d_y.is_unique(), "equal shapes share");
    let mut row = Adjoint::of(Tensor::from_slice(&[10.0f32, 20.0], [2]).unwrap());
    pass_through(&cx, &d_y, &mut row, Shape::new(&[2])).unwrap();
    assert_eq!(row.into_option().unwrap().as_slice::<f32>(), [14.0, 26.0]);
    let mut nobody = Adjoint::skip();
    pass_through(&cx, &d_y, &mut nobody, Shape::new(&[2])).unwrap();
    assert!(!nobody.wanted());
}

#[test]
fn shapes_that_do_not_broadcast_are_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let parts = ["x.tanh() * gain + 0.5 * b", "[2, 3, 4]", "[2, 3]"];
    refused(forward(&cx, Fused, [&of(&[2, 3, 4]), &of(&[2, 3]), &of(&[4])], [0.5]), &parts);
    refused(forward(&cx, Fused, [&of(&[2]), &of(&[3]), &of(&[])], [0.5]), &["[2]", "[3]"]);
    refused(forward(&cx, Fused, [&of(&[2, 1]), &of(&[3, 4]), &of(&[])], [0.5]), &["[2, 4]", "[3, 4]"]);
    let ids = Tensor::from_slice(&[1u32, 2], [2]).unwrap();
    refused(forward(&cx, Fused, [&of(&[2]), &ids, &of(&[])], [0.5]), &["U32", "F32"]);
    refused(pass_through(&cx, &of(&[2, 3]), &mut Adjoint::new(), Shape::new(&[2])), &["[2, 3]", "[2]"]);
}
