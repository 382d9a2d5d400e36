//! Bugs that were found in use, each named after its symptom.

use ivon_runtime::layers::{Dropout, GroupNorm, Linear};
use ivon_runtime::ops::{cross_entropy, mse};
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout, Pass};

/// A model's weights in f64, all different.
fn context(model: &impl Model) -> (Context, Flat) {
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let mut weights = Flat::zeros(&Layout::of(model), DType::F64).unwrap();
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = (i as f64 * 0.7).sin());
    cx.set_weights(&weights);
    (cx, weights)
}

fn tensor<const RANK: usize>(shape: [usize; RANK]) -> Tensor {
    let elements = shape.iter().product();
    Tensor::from_slice(&(0..elements).map(|i| (i as f64 * 1.3).cos()).collect::<Vec<_>>(), shape).unwrap()
}

#[variational]
struct Table {
    logits: Parameter<4, 3>,
}

#[variational]
impl Table {
    fn loss(&self, labels: Ids<4>) -> Tensor {
        cross_entropy(self.logits.reshape([4, 3]), labels)
    }
}

/// The gradient of cross-entropy took the place of the logits, which were a view of the weights.
#[test]
fn a_step_with_a_learning_rate_of_zero_changed_the_weights() {
    let model = Table::new();
    let labels = Tensor::from_slice(&[0u32, 1, 2, 0], [4]).unwrap();
    let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    let before = adamw.state().unpadded("mean");
    adamw.step(0.0, |cx| model.loss_gradient(cx, &labels)).unwrap();
    assert_eq!(adamw.state().unpadded("mean"), before);
}

#[variational]
struct Names {
    first: Linear<3, 3>,
    second: Linear<3, 3>,
}

#[variational]
impl Names {
    fn shared<B>(&self, t0: Tensor<B, 3>, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let s = sigmoid(t0 * x);
        s * t0 + s * s
    }
    fn plain<B>(&self, a: Tensor<B, 3>, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let s = sigmoid(a * x);
        s * a + s * s
    }
    fn shadowed<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let start = self.first.forward(exp(x));
        let h = tanh(start);
        let a = self.second.forward(h);
        let h = sin(a);
        let b = self.second.forward(h);
        let h2 = cos(b);
        self.first.forward(h2)
    }
    fn apart<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let a = self.first.forward(exp(x));
        let b = self.second.forward(tanh(a));
        let c = self.second.forward(sin(b));
        self.first.forward(cos(c))
    }
}

/// A kernel's own `t0` hid the argument; two values whose kernels had one name shared the first one's.
#[test]
fn a_result_depended_on_what_values_are_called() {
    let model = Names::new();
    let (cx, _weights) = context(&model);
    let (x, y) = (tensor([2, 3]), tensor([2, 3]));
    let values = |t: Result<Tensor>| t.unwrap().to_f64();
    assert_eq!(values(model.shared(&cx, &x, &y)), values(model.plain(&cx, &x, &y)));
    assert_eq!(values(model.shadowed(&cx, &x)), values(model.apart(&cx, &x)));
}

#[variational]
struct NoEffect {
    first: Linear<3, 3>,
    second: Linear<3, 3>,
}

#[variational]
impl NoEffect {
    fn loss<B>(&self, x: Tensor<B, 3>) -> Tensor {
        let y = self.second.forward(x) + 0.0 * self.first.forward(x);
        (y * y).sum()
    }
}

/// A value that is multiplied by zero had no gradient at all, where its layer asked for one.
#[test]
fn a_branch_that_is_switched_off_by_a_zero_panicked() {
    let model = NoEffect::new();
    let (cx, weights) = context(&model);
    let gradient = Flat::zeros(weights.layout(), DType::F64).unwrap();
    cx.set_gradient(Some(&gradient));
    model.loss_gradient(&cx, &tensor([2, 3])).unwrap();
    let of = |i: usize| gradient.as_slice::<f64>()[weights.layout().entries()[i].range()].to_vec();
    assert!(of(0).iter().chain(&of(1)).all(|g| *g == 0.0), "nothing of `first` matters");
    assert!(of(2).iter().all(|g| *g != 0.0));
}

#[variational]
struct Dropped {
    layers: [Linear<1, 1>; 4],
    dropout: Dropout,
}

#[variational]
impl Dropped {
    fn loss<B>(&self, x: Tensor<B, 1>) -> Tensor {
        let mut y = x;
        for layer in &self.layers {
            y = tanh(self.dropout.forward(layer.forward(y)));
        }
        mse(y, x)
    }
}

/// Dropout needs memory only where it drops; with the plan of another rate values came to lie on each other, and gradients were wrong.
#[test]
fn gradients_were_wrong_after_dropout_was_switched_off() {
    let mut model = Dropped::new();
    let (cx, weights) = context(&model);
    cx.set_training(true);
    let x = tensor([1, 1]); // all values are of one size, so that sizes alone do not tell one from another
    let gradient = |model: &Dropped, cx: &Context| {
        let gradient = Flat::zeros(weights.layout(), DType::F64).unwrap();
        cx.set_gradient(Some(&gradient));
        model.loss_gradient(cx, &x).map(|_| gradient.as_slice::<f64>().to_vec())
    };
    for rate in [0.5, 0.0, 0.25, 0.0] {
        model.dropout.rate = rate;
        let pass = Pass { seed: 1, step: 1, pass: 0 };
        cx.set_pass(pass);
        let found = gradient(&model, &cx);
        let (fresh, _weights) = context(&model);
        fresh.set_training(true);
        fresh.set_pass(pass);
        assert_eq!(found, gradient(&model, &fresh), "rate {rate}");
    }
    // With and without dropout; other rates need the same memory.
    assert_eq!(cx.plans().len(), 2);
}

#[variational]
struct Wide<const WIDTH: usize> {
    up: Linear<2, WIDTH>,
    down: Linear<WIDTH, 2>,
}

#[variational]
impl<const WIDTH: usize> Wide<WIDTH> {
    fn loss<B>(&self, x: Tensor<B, 2>, scale: f64) -> Tensor {
        mse(scale * self.down.forward(tanh(self.up.forward(x))), x)
    }
}

/// The second was run in the plan of the first, which did not fit.
#[test]
fn two_models_of_one_type_refused_each_other_in_one_context() {
    let models = [Wide::build(3).unwrap(), Wide::build(40).unwrap(), Wide::build(5).unwrap()];
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let x = tensor([4, 2]);
    for scale in [1.0, 2.0, 3.0] {
        for model in &models {
            let (fresh, weights) = context(model);
            cx.set_weights(&weights);
            assert_eq!(model.loss_gradient(&cx, &x, scale), model.loss_gradient(&fresh, &x, scale));
        }
    }
    assert_eq!(cx.plans().len(), models.len());
}

/// The size in bytes wrapped round, and a small block was read as a huge tensor.
#[test]
fn a_tensor_larger_than_any_memory_was_made_without_an_error() {
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    for shape in [[1 << 61, 1], [1 << 62, 4], [usize::MAX, usize::MAX]] {
        let message = cx.empty(shape).unwrap_err().to_string();
        assert!(message.contains("GiB at once"), "{message}");
    }
    assert!(Tensor::from_slice::<f32>(&[], [1 << 63, 2]).is_err());
    assert!(cx.empty([usize::MAX, usize::MAX, 0]).unwrap().to_f64().is_empty());
}

#[variational]
struct Repelled {
    #[parameter(weight_decay = -1.0)]
    layer: Linear<2, 2>,
}

#[variational]
impl Repelled {
    fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.layer.forward(x)
    }
}

/// The optimizer's own weight decay was checked, a parameter's was not: sigma was not a number.
#[test]
fn a_negative_weight_decay_of_a_parameter_gave_a_loss_that_is_not_a_number() {
    let refused = Ivon::new(&Repelled::new(), IvonConfig::new(1e6), Settings::default()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(refused, "weight_decay of `layer.weight` is -1: it must be zero or a positive number");
}

/// A literal that is not a finite f64 was read as 0.
#[test]
fn a_number_beyond_f64_vanished() {
    let model = |number: &str| {
        format!(
            "#[variational] struct M {{ w: Parameter<3> }}
             #[variational] impl M {{ fn forward<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {{ {number} * x * self.w }} }}"
        )
    };
    ivon_compiler::expand_source(&model("1e308")).unwrap();
    let message = ivon_compiler::expand_source(&model("1e309")).unwrap_err().to_string();
    assert!(message.contains("larger than an f64 can be"), "{message}");
}

#[variational]
struct Curve {
    scale: Parameter<3>,
}

#[variational]
impl Curve {
    fn loss(&self, x: Tensor<3>, exponent: f64) -> Tensor {
        (powf(x, exponent) * self.scale).sum()
    }
}

/// d/dx x^p is p x^(p - 1), which is 0 · ∞ where p and x are 0.
#[test]
fn a_power_whose_exponent_is_zero_had_no_gradient_at_zero() {
    let model = Curve::new();
    let (cx, _weights) = context(&model);
    let x = Tensor::from_slice(&[2.0f64, 0.0, -1.0], [3]).unwrap();
    let scale = cx.sample(&model.scale).unwrap().to_f64();
    for (exponent, slopes) in
        [(0.0, [0.0; 3]), (1.0, [1.0; 3]), (2.0, [4.0, 0.0, -2.0]), (-1.0, [-0.25, f64::NEG_INFINITY, -1.0])]
    {
        let (_, saved) = model.loss_saving(&cx, &x, exponent).unwrap();
        let mut d_x = Adjoint::new();
        let buffer = Flat::zeros(&Layout::of(&model), DType::F64).unwrap();
        cx.set_gradient(Some(&buffer));
        model.loss_backward(&cx, saved, cx.filled([], 1.0).unwrap(), &mut d_x).unwrap();
        let found = d_x.into_sum("x").unwrap().to_f64();
        for ((found, slope), scale) in found.iter().zip(slopes).zip(&scale) {
            let expected = if slope == 0.0 { 0.0 } else { slope * scale };
            assert!((found - expected).abs() < 1e-12 || *found == expected, "{exponent}: {found}, not {expected}");
        }
    }
}

#[variational]
struct Last<const WIDTH: usize> {
    up: Linear<{ WIDTH - 2 }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Last<WIDTH> {
    fn forward<B, T>(&self, x: Tensor<B, T, { WIDTH - 2 }>) -> Tensor<B, 1, WIDTH> {
        self.up.forward(x.slice(1, T - 1..T))
    }
}

/// A dimension below zero: of a model at run time, and of a batch without positions.
#[test]
fn a_difference_of_sizes_below_zero_panicked() {
    let error = Last::build(1).err().unwrap().to_string();
    assert!(error.contains("`WIDTH - 2` is 1 - 2"), "{error}");
    let model = Last::<4>::new();
    let (cx, _weights) = context(&model);
    let none = Tensor::from_slice::<f64>(&[], [2, 0, 2]).unwrap();
    let error = model.forward(&cx, &none).unwrap_err().to_string();
    assert!(error.contains("`T - 1` is 0 - 1"), "{error}");
}

#[variational]
trait Keeps<const C: usize> {
    fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;
}

#[variational]
impl<const C: usize> Keeps<C> for GroupNorm<C, 4> {}

#[variational]
struct Around<N: Keeps, const C: usize> {
    norm: N<C>,
}

#[variational]
impl<N: Keeps, const C: usize> Around<N, C> {
    fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        x + self.norm.forward(x)
    }
}

/// The panic said nothing of `build`.
#[test]
fn dimensions_that_do_not_fit_a_chosen_layer_were_refused_without_a_way_out() {
    let error = Around::<GroupNorm>::build(6).err().unwrap().to_string();
    assert_eq!(error, "`GroupNorm`: C must be a multiple of GROUPS, but 6 is not a multiple of 4");
    let made = std::panic::catch_unwind(Around::<GroupNorm, 6>::new);
    let message = made.err().unwrap().downcast::<String>().unwrap();
    assert_eq!(
        *message,
        format!("`Around::new`: {error}; choose dimensions that fit, or use `Around::build`, which gives an error")
    );
}
