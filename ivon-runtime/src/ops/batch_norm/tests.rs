use super::*;
use crate::context::flat::{Flat, Layout};
use crate::core::dtype::DType;
use crate::ops::gradcheck;
use crate::ops::shared::specification::{f32_context, f64_context, numbers, refused, specify};
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

    fn forward(&self, cx: &Context, x: &Tensor, gain: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)> {
        forward_saving(cx, x, gain, bias, &self.mean, &self.variance, 0.1, 1e-5)
    }

    /// In training, whatever the context was in.
    fn train(&self, cx: &Context, x: &Tensor, gain: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)> {
        cx.set_training(true);
        self.forward(cx, x, gain, bias)
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

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([3, 37, 53, 67]), numbers([67]), numbers([67])],
        1e-5, // d_gain sums 5883 elements
        |cx, [x, gain, bias]| Norm::new(x.shape().last()).train(cx, x, gain, Some(bias)),
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_gain, d_bias)
    );
}

#[test]
fn gradients_and_precision_without_a_bias_of_few_and_of_many_channels() {
    specify!(
        [numbers([7, 1]), numbers([1])],
        [numbers([9, 1031]), numbers([1031])],
        1e-4, // a variance of nine numbers may be small
        |cx, [x, gain]| Norm::new(x.shape().last()).train(cx, x, gain, None),
        |cx, saved, d_y, [d_x, d_gain]| backward(cx, saved, d_y, d_x, d_gain, &mut Adjoint::skip())
    );
}

#[test]
fn gradients_and_precision_outside_of_training() {
    /// Running statistics that are neither zero nor one.
    fn evaluate(cx: &Context, [x, gain, bias]: [&Tensor; 3]) -> Result<(Tensor, Saved)> {
        let norm = Norm::new(x.shape().last());
        let mut running = running_statistics(&norm).unwrap();
        running.as_mut_slice::<f32>().iter_mut().enumerate().for_each(|(i, v)| *v += 0.25 + i as f32 * 0.01);
        cx.set_running_statistics(Some(&running));
        norm.forward(cx, x, gain, Some(bias))
    }
    specify!(
        [numbers([2, 3, 5]), numbers([5]), numbers([5])],
        [numbers([41, 53, 67]), numbers([67]), numbers([67])],
        1e-5,
        evaluate,
        |cx, saved, d_y, [d_x, d_gain, d_bias]| backward(cx, saved, d_y, d_x, d_gain, d_bias)
    );
}

/// Output, gradients and running statistics of PyTorch 2's `BatchNorm2d` in f64, channels last.
#[test]
fn what_pytorch_computes() {
    let cx = f64_context();
    let x = [-1.0, 1.25, 0.75, 1.5, 1.0, 0.5, 1.25, 0.75, 0.25, 1.0, 0.5, 0.0];
    let d_y = [-1.5, 1.0, 0.0, -1.0, 1.5, 0.5, -0.5, -1.5, 1.0, 0.0, -1.0, 1.5];
    let of = |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape).unwrap();
    let (gain, bias) = (of(&[1.5, -0.5, 2.0], &[3]), of(&[0.25, 0.5, -1.0], &[3]));
    let norm = Norm::new(3);
    let (running, gradient) = (running_statistics(&norm).unwrap(), Flat::zeros(&Layout::of(&norm), DType::F64).unwrap());
    cx.set_running_statistics(Some(&running));
    cx.set_gradient(Some(&gradient));

    let close = |found: Vec<f64>, exact: &[f64], tolerance: f64| {
        assert_eq!(found.len(), exact.len());
        assert!(found.iter().zip(exact).all(|(f, e)| (f - e).abs() < tolerance), "{found:?} is not {exact:?}");
    };
    let running_is = |mean: &[f64], variance: &[f64]| {
        close(cx.running(&norm.mean).unwrap().to_f64(), mean, 1e-7);
        close(cx.running(&norm.variance).unwrap().to_f64(), variance, 1e-7);
    };
    let adjoints = || (Adjoint::new(), Adjoint::new(), Adjoint::new());
    let sum = |adjoint: Adjoint| adjoint.into_option().unwrap().to_f64();

    let (y, saved) = norm.train(&cx, &of(&x, &[2, 1, 2, 3]), &gain, Some(&bias)).unwrap();
    let exact = [
        -2.306324296343887,
        -0.17077746486585,
        1.6831098594634,
        1.48082280935076,
        0.276407511711383,
        -0.105630046845533,
        1.102108098781295,
        0.723592488288617,
        -1.894369953154466,
        0.723393388211831,
        1.17077746486585,
        -3.683109859463399,
    ];
    close(y.to_f64(), &exact, 1e-12);
    running_is(&[0.06875, 0.0875, 0.0375], &[1.030729166666667, 0.910416666666667, 0.910416666666667]);
    let (mut d_x, mut d_gain, mut d_bias) = adjoints();
    backward(&cx, saved, of(&d_y, &[2, 1, 2, 3]), &mut d_x, &mut d_gain, &mut d_bias).unwrap();
    let exact = [
        -0.199174264693342,
        0.625749912511318,
        -0.000686788215131,
        -0.829848350243379,
        -1.878279919856649,
        -0.000228929405044,
        0.066391421564447,
        1.878279919856649,
        0.000228929405044,
        0.962631193372274,
        -0.625749912511318,
        0.000686788215131,
    ];
    close(sum(d_x), &exact, 1e-12);
    close(sum(d_gain), &[1.451739723849615, 4.024664789195099, -2.235924882886166], 1e-12);
    close(sum(d_bias), &[-3.0, 0.0, 3.0], 1e-12);

    // A second pass of the same step moves them again.
    let second = x.map(|x| 2.0 * x + 1.0);
    norm.train(&cx, &of(&second, &[2, 1, 2, 3]), &gain, Some(&bias)).unwrap();
    let (mean, variance) = ([0.299375, 0.35375, 0.20875], [1.450572916666667, 0.861041666666667, 0.861041666666667]);
    running_is(&mean, &variance);

    cx.set_training(false);
    let (y, saved) = norm.forward(&cx, &of(&x, &[2, 1, 2, 3]), &gain, Some(&bias)).unwrap();
    let exact = [
        -1.368283054265343,
        0.017069574998963,
        0.166576703070844,
        1.745296655720886,
        0.151778201219615,
        -0.372257801811763,
        1.433938684722263,
        0.286486827440267,
        -0.91109230669437,
        1.122580713723641,
        0.421195453660919,
        -1.449926811576977,
    ];
    close(y.to_f64(), &exact, 1e-6); // the running statistics are f32
    let (mut d_x, mut d_gain, mut d_bias) = adjoints();
    backward(&cx, saved, of(&d_y, &[2, 1, 2, 3]), &mut d_x, &mut d_gain, &mut d_bias).unwrap();
    let exact = [
        -1.868147825991737,
        -0.538834504882607,
        0.0,
        -1.245431883994492,
        -0.808251757323911,
        1.077669009765214,
        -0.622715941997246,
        0.808251757323911,
        2.155338019530428,
        0.0,
        0.538834504882607,
        3.233007029295643,
    ];
    close(sum(d_x), &exact, 1e-6);
    close(sum(d_gain), &[0.22677238887733, 1.212377635985866, -0.136055712482858], 1e-6);
    running_is(&mean, &variance); // evaluation leaves them as they are
}

#[test]
fn only_a_gradient_pass_in_training_moves_the_running_statistics() {
    let cx = f32_context();
    let norm = Norm::new(2);
    let (running, gradient) = (running_statistics(&norm).unwrap(), Flat::zeros(&Layout::of(&norm), DType::F32).unwrap());
    cx.set_running_statistics(Some(&running));
    let x = gradcheck::tensor(&cx, [5, 2], 1).unwrap();
    let gain = cx.filled([2], 1.0).unwrap();
    let step = |cx: &Context| norm.forward(cx, &x, &gain, None).map(|_| ());
    let mut moved = vec![];
    for (training, with_gradient) in [(false, false), (false, true), (true, false), (true, true)] {
        cx.set_training(training);
        cx.set_gradient(with_gradient.then_some(&gradient));
        let before = running.as_slice::<f32>().to_vec();
        cx.plan(step).unwrap(); // a dry run
        assert!(running.as_slice::<f32>() == before, "a dry run wrote");
        cx.planned("step", &[&x], step).unwrap();
        moved.push(running.as_slice::<f32>() != before);
    }
    assert_eq!(moved, [false, false, false, true]);
}

#[test]
fn a_large_mean_does_not_hide_the_variance() {
    let cx = f32_context();
    let norm = Norm::new(3);
    let wave: Vec<f32> = (0..3 * 40_000).map(|i| 4096.0 + (i / 3 % 4) as f32).collect();
    let x = Tensor::from_slice(&wave, [40_000, 3]).unwrap();
    let (y, _) = norm.train(&cx, &x, &cx.filled([3], 1.0).unwrap(), None).unwrap();
    let r = (1.25f64 + 1e-5).sqrt();
    for (i, y) in y.to_f64().iter().enumerate() {
        assert!((y - ((i / 3 % 4) as f64 - 1.5) / r).abs() < 1e-5); // 5461 squares in one f32 sum
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cx = f32_context();
    let of = |dims: &[usize]| cx.zeros(dims).unwrap();
    let norm = Norm::new(3);
    let with = |x: &[usize], gain: usize, bias: usize| norm.forward(&cx, &of(x), &of(&[gain]), Some(&of(&[bias])));
    refused(with(&[2, 3], 4, 3), &["batch_norm", "`gain` is [4]", "[3]", "[2, 3]"]);
    refused(with(&[2, 3], 3, 2), &["`bias` is [2]"]);
    refused(with(&[2, 5], 5, 5), &["`running_mean` is [3]", "[5]"]);
    let numbers = |momentum, eps| forward(&cx, &of(&[2, 3]), &of(&[3]), None, &norm.mean, &norm.variance, momentum, eps);
    refused(numbers(0.1, -1.0), &["`eps` is -1"]);
    refused(numbers(1.5, 1e-5), &["`momentum` is 1.5", "from 0 to 1"]);
    refused(numbers(0.1, 1e-5), &["`mean` has no values here", "set_running_statistics"]);
    cx.set_running_statistics(Some(&running_statistics(&Norm::new(4)).unwrap()));
    refused(numbers(0.1, 1e-5), &["`mean` [3] is not a buffer of the model whose running statistics are in use"]);
    cx.set_training(true);
    refused(with(&[1, 1, 1, 3], 3, 3), &["[1, 1, 1, 3]", "more than one element"]);
}
