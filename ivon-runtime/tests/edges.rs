//! NaN, infinities, zeros and ties: values and gradients equal PyTorch's, in every type and on every instruction set.

use half::bf16;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{
    batch_norm_relu, cross_entropy, dropout, filter_response_norm, gelu, gelu_tanh, leaky_relu, log_softmax, max_pool2d, silu,
    softmax, softplus,
};
use ivon_runtime::prelude::*;
use ivon_runtime::{Builder, Flat, Init, Layout, running_statistics};
use std::process::Command;

/// All values are exact in bf16; 2^-130 is subnormal in f32.
const VALUES: [f64; 12] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 7.34683969e-40, -7.34683969e-40, 1.0, -1.0, 0.5, 6.0, 3.0];

#[variational]
pub struct Edges<const N: usize> {
    #[parameter(init = zeros)]
    a: Parameter<N>,
    #[parameter(init = zeros)]
    b: Parameter<N>,
}

#[variational]
impl<const N: usize> Edges<N> {
    pub fn rectified(&self) -> Tensor<N> {
        relu(self.a)
    }
    pub fn larger(&self) -> Tensor<N> {
        max(self.a, self.b)
    }
    pub fn smaller(&self) -> Tensor<N> {
        min(self.a, self.b)
    }
    pub fn above(&self) -> Tensor<N> {
        max(self.a, 0.5)
    }
    pub fn below(&self) -> Tensor<N> {
        min(6.0, self.a)
    }
    pub fn clamped(&self) -> Tensor<N> {
        min(max(self.a, 0.0), 6.0)
    }
    pub fn absolute(&self) -> Tensor<N> {
        abs(self.a)
    }
    pub fn leaky(&self) -> Tensor<N> {
        leaky_relu(self.a, 0.125)
    }
    pub fn smooth(&self) -> Tensor<N> {
        softplus(self.a)
    }
    pub fn guarded(&self) -> Tensor<N> {
        sqrt(max(self.a, 0.0))
    }
    pub fn switched_off(&self) -> Tensor<N> {
        0.0 * self.a + self.b
    }
    pub fn fused(&self) -> Tensor<N> {
        2.0 * relu(self.a - self.b) + 1.0
    }
}

// ---- what PyTorch gives -----------------------------------------------------------------------------------------

fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

/// The gradient of `torch.maximum(a, b)` with respect to a.
fn share(a: f64, b: f64) -> f64 {
    if a == b { 0.5 } else { f64::from(a > b || a.is_nan() || b.is_nan()) }
}

/// The gradient of `torch.relu(a)`.
fn gate(a: f64) -> f64 {
    f64::from(a > 0.0 || a.is_nan())
}

/// The product of two slopes: 0 if the inner slope is 0, even if the outer one is NaN or infinite.
fn chain(inner: f64, outer: f64) -> f64 {
    if inner == 0.0 { 0.0 } else { inner * outer }
}

struct Expected {
    value: f64,
    a: f64,
    b: f64,
}

fn expected(function: &str, a: f64, b: f64) -> Expected {
    let of = |value, a, b| Expected { value, a, b };
    match function {
        "rectified" => of(larger(a, 0.0), gate(a), 0.0),
        "larger" => of(larger(a, b), share(a, b), share(b, a)),
        "smaller" => of(smaller(a, b), share(b, a), share(a, b)),
        "above" => of(larger(a, 0.5), share(a, 0.5), 0.0),
        "below" => of(smaller(a, 6.0), share(6.0, a), 0.0),
        "clamped" => of(smaller(larger(a, 0.0), 6.0), share(a, 0.0) * share(6.0, larger(a, 0.0)), 0.0),
        "absolute" => of(a.abs(), f64::from(a > 0.0) - f64::from(a < 0.0), 0.0),
        "leaky" => of(if a > 0.0 { a } else { 0.125 * a }, if a > 0.0 { 1.0 } else { 0.125 }, 0.0),
        "smooth" => of(larger(a, 0.0) + (-a.abs()).exp().ln_1p(), 1.0 / (1.0 + (-a).exp()), 0.0),
        "guarded" => of(larger(a, 0.0).sqrt(), chain(share(a, 0.0), 0.5 / larger(a, 0.0).sqrt()), 0.0),
        "switched_off" => of(0.0 * a + b, 0.0, 1.0),
        "fused" => of(2.0 * larger(a - b, 0.0) + 1.0, 2.0 * gate(a - b), -2.0 * gate(a - b)),
        other => panic!("no values of {other} are known"),
    }
}

// ---- what we give -----------------------------------------------------------------------------------------------

fn fill(flat: &mut Flat, values: impl Iterator<Item = (usize, f64)>) {
    for (i, x) in values {
        match flat.dtype() {
            DType::F64 => flat.as_mut_slice::<f64>()[i] = x,
            DType::Bf16 => flat.as_mut_slice::<bf16>()[i] = bf16::from_f64(x),
            _ => flat.as_mut_slice::<f32>()[i] = x as f32,
        }
    }
}

fn read(flat: &Flat) -> Vec<f64> {
    match flat.dtype() {
        DType::F64 => flat.as_slice::<f64>().to_vec(),
        _ => flat.as_slice::<f32>().iter().map(|x| *x as f64).collect(),
    }
}

/// Every pair of values, N at a time.
fn check<const N: usize>(dtype: DType) {
    let pairs: Vec<[f64; 2]> = VALUES.iter().flat_map(|a| VALUES.map(|b| [*a, b])).collect();
    let cx = Context::new(Device::Cpu, dtype).unwrap();
    let model = Edges::<N>::new();
    let layout = Layout::of(&model);
    let starts: Vec<usize> = layout.entries().iter().map(|e| e.range().start).collect();
    for first in (0..pairs.len()).step_by(N) {
        let of = |i: usize| pairs[(first + i) % pairs.len()];
        let mut weights = Flat::zeros(&layout, dtype).unwrap();
        let all = (0..N).flat_map(|i| [(starts[0] + i, of(i)[0]), (starts[1] + i, of(i)[1])]);
        fill(&mut weights, all);
        cx.set_weights(&weights);
        macro_rules! functions {
            ($($name:ident $saving:ident $backward:ident),* $(,)?) => {$({
                let name = stringify!($name);
                let gradient = Flat::zeros(&layout, dtype.sums()).unwrap();
                cx.set_gradient(Some(&gradient));
                let (y, saved) = model.$saving(&cx).unwrap();
                let values = y.to_f64();
                assert_eq!(values.len(), model.$name(&cx).unwrap().to_f64().len());
                drop(y);
                model.$backward(&cx, saved, cx.filled([N], 1.0).unwrap()).unwrap();
                cx.set_gradient(None);
                let gradient = read(&gradient);
                for (i, value) in values.into_iter().enumerate() {
                    let [a, b] = of(i);
                    let want = expected(name, a, b);
                    let found = [value, gradient[starts[0] + i], gradient[starts[1] + i]];
                    for (what, (found, want)) in ["value", "gradient of a", "gradient of b"].iter().zip(found.into_iter().zip([want.value, want.a, want.b])) {
                        let same = found == want || found.is_nan() && want.is_nan() || (found - want).abs() <= 1e-6 * want.abs();
                        assert!(same, "{name}({a}, {b}), {N} elements of {dtype:?}: the {what} is {found}, expected {want}");
                    }
                }
            })*};
        }
        functions!(
            rectified rectified_saving rectified_backward,
            larger larger_saving larger_backward,
            smaller smaller_saving smaller_backward,
            above above_saving above_backward,
            below below_saving below_backward,
            clamped clamped_saving clamped_backward,
            absolute absolute_saving absolute_backward,
            leaky leaky_saving leaky_backward,
            smooth smooth_saving smooth_backward,
            guarded guarded_saving guarded_backward,
            switched_off switched_off_saving switched_off_backward,
            fused fused_saving fused_backward,
        );
    }
}

fn nans(x: &Tensor) -> Vec<bool> {
    x.to_f64().into_iter().map(f64::is_nan).collect()
}

fn tensor<const N: usize>(dtype: DType, values: &[f64], shape: [usize; N]) -> Tensor {
    match dtype {
        DType::F64 => Tensor::from_slice(values, shape).unwrap(),
        _ => Tensor::from_slice(&values.iter().map(|x| *x as f32).collect::<Vec<_>>(), shape).unwrap(),
    }
}

/// NaN in one place of 70 channels, rows or elements.
fn ops(dtype: DType) {
    const C: usize = 70;
    let cx = Context::new(Device::Cpu, dtype).unwrap();
    let t = |values: &[f64], rows: usize| tensor(dtype, values, [rows, values.len() / rows]);
    let [one, zero] = [1.0, 0.0].map(|x| cx.filled([C], x).unwrap());

    // The first channel is NaN; the others are 1, -1 and 0 in turn.
    let x: Vec<f64> = (0..C).map(|c| if c == 0 { f64::NAN } else { [0.0, 1.0, -1.0][c % 3] }).collect();
    for function in [gelu::forward, gelu_tanh::forward, silu::forward, softplus::forward] {
        assert_eq!(nans(&function(&cx, &t(&x, 1)).unwrap()), nans(&t(&x, 1)));
    }
    let mut builder = Builder::new();
    let (mean, variance) = (builder.buffer("mean", [C], Init::Zeros), builder.buffer("variance", [C], Init::Ones));
    struct Norm(ivon_runtime::Buffer, ivon_runtime::Buffer);
    impl Model for Norm {
        const NAME: &'static str = "Norm";
        fn visit_parameters<'a>(&'a self, _: &mut dyn FnMut(&'a Parameter)) {}
        fn visit_buffers<'a>(&'a self, visit: &mut dyn FnMut(&'a ivon_runtime::Buffer)) {
            visit(&self.0);
            visit(&self.1);
        }
    }
    let norm = Norm(mean, variance);
    let running = running_statistics(&norm).unwrap();
    cx.set_running_statistics(Some(&running));
    for residual in [None, Some(t(&vec![0.0; C], 1))] {
        let x = t(&x, 1);
        let (y, saved) =
            batch_norm_relu::forward_saving(&cx, &x, residual.as_ref(), &one, Some(&zero), &norm.0, &norm.1, 0.1, 0.0).unwrap();
        let relu: Vec<f64> = x.to_f64().into_iter().map(|x| larger(x, 0.0)).collect();
        assert_eq!(nans(&y), nans(&x));
        assert_eq!(y.to_f64()[1..], relu[1..]);
        let [mut d_x, mut d_residual, mut d_gain, mut d_bias] = [(); 4].map(|()| Adjoint::new());
        let d_y = cx.filled([1, C], 1.0).unwrap();
        batch_norm_relu::backward(&cx, saved, d_y, &mut d_x, &mut d_residual, &mut d_gain, &mut d_bias).unwrap();
        let of_gate: Vec<f64> = x.to_f64().into_iter().map(gate).collect();
        assert_eq!(d_bias.into_tensor(&cx, [C]).unwrap().to_f64(), of_gate);
        assert_eq!(d_x.into_tensor(&cx, [1, C]).unwrap().to_f64()[1..], of_gate[1..]);
        if residual.is_some() {
            assert_eq!(d_residual.into_tensor(&cx, [1, C]).unwrap().to_f64(), of_gate);
        }
    }

    // Each element is normalised alone: z = x / |x|, or 0. The values lie above, below and at the threshold, and one is NaN.
    let image = tensor(dtype, &x, [1, 1, 1, C]);
    let (y, saved) = filter_response_norm::forward_saving(&cx, &image, &one, &zero, Some(&zero), 1e-12).unwrap();
    assert_eq!(nans(&y), nans(&image));
    let [mut d_x, mut d_gain, mut d_bias, mut d_threshold] = [(); 4].map(|()| Adjoint::new());
    let d_y = cx.filled([1, 1, 1, C], 1.0).unwrap();
    filter_response_norm::backward(&cx, saved, d_y, &mut d_x, &mut d_gain, &mut d_bias, &mut d_threshold).unwrap();
    assert_eq!(d_bias.into_tensor(&cx, [C]).unwrap().to_f64(), x.iter().map(|x| share(*x, 0.0)).collect::<Vec<_>>());
    assert_eq!(d_threshold.into_tensor(&cx, [C]).unwrap().to_f64(), x.iter().map(|x| share(0.0, *x)).collect::<Vec<_>>());

    for place in [0, 1, 63, 64, 69] {
        let mut row = vec![0.25; C];
        row[place] = f64::NAN;
        let row = t(&row, 1);
        assert!(nans(&softmax::forward(&cx, &row).unwrap()).into_iter().all(|nan| nan));
        assert!(nans(&log_softmax::forward(&cx, &row).unwrap()).into_iter().all(|nan| nan));
        let target = Tensor::from_slice(&[5u32], [1]).unwrap();
        assert!(cross_entropy::forward(&cx, &row, &target).unwrap().item().unwrap().is_nan());
    }

    // A dropout mask of 0 does not hide NaN.
    cx.set_training(true);
    let dropped = dropout::forward(&cx, &t(&x, 1), 0.5).unwrap();
    let all = dropout::forward(&cx, &t(&[f64::NAN; C], 1), 0.5).unwrap();
    cx.set_training(false);
    assert_eq!(nans(&dropped), nans(&t(&x, 1)));
    assert!(nans(&all).into_iter().all(|nan| nan));

    // With padding, a window sees only -infinity: the first pixel of the image gets the gradient.
    let lowest = tensor(dtype, &[f64::NEG_INFINITY; 4 * C], [1, 2, 2, C]);
    let (_, saved) = max_pool2d::forward_saving(&cx, 3, 2, 1, &lowest).unwrap();
    let mut d_x = Adjoint::new();
    max_pool2d::backward(&cx, saved, cx.filled([1, 1, 1, C], 1.0).unwrap(), &mut d_x).unwrap();
    let d_x = d_x.into_tensor(&cx, [1, 2, 2, C]).unwrap().to_f64();
    assert!(d_x[..C].iter().all(|d| *d == 1.0) && d_x[C..].iter().all(|d| *d == 0.0));
}

/// Not a test by itself: the test below runs it under each instruction set.
#[test]
#[ignore = "run by `nan_and_ties_on_every_instruction_set`"]
fn nan_and_ties_here() {
    for dtype in [DType::F32, DType::F64, DType::Bf16] {
        check::<1>(dtype);
        check::<13>(dtype);
        check::<149>(dtype);
        ops(dtype);
    }
}

#[test]
fn nan_and_ties_on_every_instruction_set() {
    for level in ["baseline", "avx2", "avx512"] {
        // If the machine lacks a level, the best lower one runs.
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["nan_and_ties_here", "--exact", "--ignored"]).env("IVON_SIMD", level).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success() && text.contains("1 passed"), "{level}: {text}");
    }
}

#[variational]
struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    fn loss<B>(&self, x: Tensor<B, 4>, y: Ids<B>) -> Tensor {
        cross_entropy(self.down.forward(relu(self.up.forward(x))), y)
    }
}

/// NaN in the data reaches the loss, and the step returns an error.
#[test]
fn a_step_refuses_nan_in_its_input() {
    for dtype in [DType::F32, DType::F64, DType::Bf16] {
        let net = Net::new();
        let mut optimizer = Sgd::new(&net, SgdConfig::default(), Settings::default().dtype(dtype)).unwrap();
        let x = tensor(dtype, &[1.0, f64::NAN, 2.0, 3.0], [1, 4]);
        let y = Tensor::from_slice(&[0u32], [1]).unwrap();
        let error = optimizer.step(0.1, |cx| net.loss_gradient(cx, &x, &y)).unwrap_err().to_string();
        assert!(error.contains("the loss is NaN"), "{error}");
    }
}
