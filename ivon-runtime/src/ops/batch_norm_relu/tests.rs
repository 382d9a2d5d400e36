use super::super::{batch_norm, pointwise};
use super::*;
use crate::device::cpu::real::Real;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};
use crate::ops::{gradcheck, relu};
use crate::optimizers::state::running_statistics;
use crate::tensor::parameter::{Builder, Init, Model, Parameter};

/// The buffers of a batch norm.
struct Norm {
    mean: Buffer,
    variance: Buffer,
}

impl Norm {
    fn new(channels: usize) -> Norm {
        let mut b = Builder::new();
        Norm { mean: b.buffer("mean", [channels], Init::Zeros), variance: b.buffer("variance", [channels], Init::Ones) }
    }

    fn forward(
        &self,
        cx: &Context,
        x: &Tensor,
        residual: Option<&Tensor>,
        [gain, bias]: [&Tensor; 2],
    ) -> Result<(Tensor, Saved)> {
        forward_saving(cx, x, residual, gain, Some(bias), &self.mean, &self.variance, 0.1, 1e-5)
    }
}

impl Model for Norm {
    const NAME: &'static str = "Norm";
    fn visit_parameters<'a>(&'a self, _: &mut dyn FnMut(&'a Parameter)) {}
    fn visit_buffers<'a>(&'a self, visit: &mut dyn FnMut(&'a Buffer)) {
        visit(&self.mean);
        visit(&self.variance);
    }
}

fn train(cx: &Context, x: &Tensor, residual: Option<&Tensor>, of_channels: [&Tensor; 2]) -> Result<(Tensor, Saved)> {
    cx.set_training(true);
    Norm::new(x.shape().last()).forward(cx, x, residual, of_channels)
}

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([3, 37, 53, 67]), numbers([67]), numbers([67])],
        1e-5, // d_gain sums 5883 elements
        |cx, [x, gain, bias]| train(cx, x, None, [gain, bias]),
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, &mut Adjoint::skip(), d_gain, d_bias)
    );
}

#[test]
fn gradients_and_precision_with_a_residual() {
    specify!(
        [numbers([2, 2, 3, 5]), numbers([2, 2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([3, 37, 53, 67]), numbers([3, 37, 53, 67]), numbers([67]), numbers([67])],
        1e-5,
        |cx, [x, residual, gain, bias]| train(cx, x, Some(residual), [gain, bias]),
        |cx, saved, d_y, [d_x, d_residual, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_residual, d_gain, d_bias)
    );
}

#[test]
fn gradients_and_precision_outside_of_training() {
    fn evaluate(cx: &Context, [x, gain, bias]: [&Tensor; 3]) -> Result<(Tensor, Saved)> {
        let norm = Norm::new(x.shape().last());
        let mut running = running_statistics(&norm).unwrap();
        running.as_mut_slice::<f32>().iter_mut().enumerate().for_each(|(i, v)| *v += 0.25 + i as f32 * 0.01);
        cx.set_running_statistics(Some(&running));
        norm.forward(cx, x, None, [gain, bias])
    }
    specify!(
        [numbers([2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([41, 53, 67]), numbers([67]), numbers([67])],
        1e-5,
        evaluate,
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, &mut Adjoint::skip(), d_gain, d_bias)
    );
}

/// x + residual
struct Sum;

impl pointwise::Kernel<2, 0, 1> for Sum {
    const NAME: &'static str = "x + residual";
    const CUDA: &'static str = "y0 = x0 + x1;";
    const OPERATIONS: usize = 1;
    fn apply<R: Real>([x, y]: [R; 2], []: [R; 0]) -> [R; 1] {
        [x + y]
    }
}

/// Output and gradients of the ops that it joins, one after the other; with the adjoints of x and of the residual holding something before.
#[test]
fn the_bits_of_the_steps_one_by_one() {
    for (cx, channels) in [(f32_context(), 83), (f64_context(), 7)] {
        cx.set_training(true);
        let shape = [5, 31, 29, channels];
        let of = |dims: &[usize], seed| gradcheck::tensor(&cx, dims, seed).unwrap();
        let (x, residual, d_y) = (of(&shape, 1), of(&shape, 2), of(&shape, 3));
        let (gain, bias) = (of(&[channels], 4), of(&[channels], 5));
        let norm = Norm::new(channels);
        for with_residual in [false, true] {
            let residual = with_residual.then_some(&residual);
            for before in [false, true] {
                let adjoint = || if before { Adjoint::of(of(&shape, 6)) } else { Adjoint::new() };
                let (mut d_x, mut d_residual, mut d_gain, mut d_bias) = (adjoint(), adjoint(), Adjoint::new(), Adjoint::new());
                let (y, saved) = norm.forward(&cx, &x, residual, [&gain, &bias]).unwrap();
                backward(&cx, saved, d_y.clone(), &mut d_x, &mut d_residual, &mut d_gain, &mut d_bias).unwrap();

                let (exact_y, saved) =
                    batch_norm::forward_saving(&cx, &x, &gain, Some(&bias), &norm.mean, &norm.variance, 0.1, 1e-5).unwrap();
                let exact_y = match residual {
                    Some(residual) => pointwise::forward(&cx, Sum, [&exact_y, residual], []).unwrap(),
                    None => exact_y,
                };
                let (exact_y, of_relu) = relu::forward_saving(&cx, &exact_y).unwrap();
                let mut d_sum = Adjoint::new();
                relu::backward(&cx, of_relu, d_y.clone(), &mut d_sum).unwrap();
                let d_sum = d_sum.into_sum("the sum").unwrap();
                let (mut exact_x, mut exact_residual) = (adjoint(), adjoint());
                let (mut exact_gain, mut exact_bias) = (Adjoint::new(), Adjoint::new());
                if with_residual {
                    exact_residual.add(&cx, d_sum.clone()).unwrap();
                }
                batch_norm::backward(&cx, saved, d_sum, &mut exact_x, &mut exact_gain, &mut exact_bias).unwrap();

                assert!(y.to_f64() == exact_y.to_f64());
                let all = [(d_x, exact_x), (d_residual, exact_residual), (d_gain, exact_gain), (d_bias, exact_bias)];
                for (i, (found, exact)) in all.into_iter().enumerate() {
                    let values = |adjoint: Adjoint| adjoint.into_option().map(|t| t.to_f64());
                    assert!(values(found) == values(exact), "adjoint {i}, residual {with_residual}, before {before}");
                }
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let with = |residual: &[usize]| train(&cx, &of(&[2, 3]), Some(&of(residual)), [&of(&[3]), &of(&[3])]);
    refused(with(&[3]), &["batch_norm_relu", "`residual` is [3]", "[2, 3]"]);
    let gain = train(&cx, &of(&[2, 3]), None, [&of(&[4]), &of(&[3])]);
    refused(gain, &["batch_norm_relu", "`gain` is [4]"]);
}
