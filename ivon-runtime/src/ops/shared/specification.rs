//! The properties that every op's tests check: gradients, f32 against f64, the same bits on any number of threads.

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::Device;
use crate::ops::gradcheck;
use crate::tensor::Tensor;

/// An f64 context, for gradients.
pub fn f64_context() -> Context {
    Context::new(Device::Cpu, DType::F64).unwrap()
}

pub fn f32_context() -> Context {
    Context::new(Device::Cpu, DType::F32).unwrap()
}

/// An input of a test.
#[derive(Clone)]
pub enum Input {
    /// Made-up numbers in (-1, 1).
    Numbers(Shape),
    /// These ids.
    Ids(Shape, Vec<u32>),
}

/// Made-up numbers in (-1, 1).
pub fn numbers(shape: impl Into<Shape>) -> Input {
    Input::Numbers(shape.into())
}

/// Made-up ids below a limit.
pub fn ids(shape: impl Into<Shape>, below: u32) -> Input {
    let shape = shape.into();
    let ids = (0..shape.elements() as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 7).map(|i| i % below).collect();
    Input::Ids(shape, ids)
}

fn tensors<const N: usize>(cx: &Context, inputs: &[Input; N]) -> [Tensor; N] {
    std::array::from_fn(|i| match &inputs[i] {
        Input::Numbers(shape) => gradcheck::tensor(cx, *shape, 11 + i as u64).unwrap(),
        Input::Ids(shape, ids) => Tensor::from_slice(ids, *shape).unwrap(),
    })
}

/// Gradients against central differences, for all inputs but ids.
pub fn gradients<const N: usize, S>(
    inputs: [Input; N],
    forward_saving: impl Fn(&Context, [&Tensor; N]) -> Result<(Tensor, S)>,
    backward: impl Fn(&Context, S, Tensor, [&mut Adjoint; N]) -> Result<()>,
) {
    let cx = f64_context();
    let tensors = tensors(&cx, &inputs);
    other_gradients(&cx, tensors.each_ref(), &forward_saving, &backward);
    if let Err(error) = gradcheck::check(&cx, tensors.each_ref(), forward_saving, backward) {
        panic!("{error}");
    }
}

/// A gradient of another shape or type than the result's is refused before anything is added to an adjoint. The error names the op and both
/// shapes. Functions that are not one op are left out.
fn other_gradients<const N: usize, S, F: Fn(&Context, [&Tensor; N]) -> Result<(Tensor, S)>>(
    cx: &Context,
    inputs: [&Tensor; N],
    forward_saving: &F,
    backward: &impl Fn(&Context, S, Tensor, [&mut Adjoint; N]) -> Result<()>,
) {
    if !std::any::type_name::<S>().ends_with("::Saved") {
        return;
    }
    // The module whose tests define the function.
    let op = std::any::type_name::<F>().split("::ops::").nth(1).and_then(|path| path.split("::").next()).unwrap();
    let y = *forward_saving(cx, inputs).unwrap().0.shape();
    let refused = |d_y: Tensor, parts: &[&str]| {
        let (_, saved) = forward_saving(cx, inputs).unwrap();
        let mut adjoints = inputs.map(|_| Adjoint::new());
        let what = format!("{op}: d_y is {} of {:?}, y is {y}", d_y.shape(), d_y.dtype());
        let error = backward(cx, saved, d_y, adjoints.each_mut()).expect_err(&what).to_string();
        parts.iter().chain(&[op]).for_each(|part| assert!(error.contains(part), "{what}: `{part}` is not in: {error}"));
        assert!(adjoints.iter().all(Adjoint::is_empty), "{what}: an adjoint was written");
    };
    for other in other_shapes(&y) {
        refused(gradcheck::tensor(cx, other, 3).unwrap(), &[&other.to_string(), &y.to_string()]);
    }
    refused(Tensor::from_slice(&vec![1.0f32; y.elements()], y).unwrap(), &["F32", "F64"]);
}

/// Shapes near this one: a dimension longer, shorter, missing or added, two exchanged, all in one, none.
fn other_shapes(shape: &Shape) -> Vec<Shape> {
    let mut others = vec![vec![], vec![1], vec![shape.elements()], [&shape[..], &[1]].concat(), [&[1], &shape[..]].concat()];
    for i in 0..shape.rank() {
        for length in [shape[i] + 1, shape[i].saturating_sub(1), 2 * shape[i], 1] {
            others.push([&shape[..i], &[length], &shape[i + 1..]].concat());
        }
        others.push([&shape[..i], &shape[i + 1..]].concat());
        others.push([&shape[i..], &shape[..i]].concat());
    }
    others.retain(|other| *other != shape[..] && other.iter().all(|length| *length > 0));
    others.into_iter().map(|other| Shape::new(&other)).collect()
}

/// f32 against f64, output and all gradients, within `tolerance` · (1 + |value|); and f32 on one and on three threads, bit by bit.
pub fn precision<const N: usize, S>(
    inputs: [Input; N],
    tolerance: f64,
    forward_saving: impl Fn(&Context, [&Tensor; N]) -> Result<(Tensor, S)> + Sync,
    backward: impl Fn(&Context, S, Tensor, [&mut Adjoint; N]) -> Result<()> + Sync,
) {
    let run = |dtype: DType, threads: usize| {
        on_threads(threads, || {
            let cx = Context::new(Device::Cpu, dtype).unwrap();
            let tensors = tensors(&cx, &inputs);
            let (y, saved) = forward_saving(&cx, tensors.each_ref()).unwrap();
            let d_y = gradcheck::tensor(&cx, *y.shape(), 3).unwrap();
            let mut adjoints = tensors.each_ref().map(|x| if x.dtype() == dtype { Adjoint::new() } else { Adjoint::skip() });
            let y = y.to_f64();
            backward(&cx, saved, d_y, adjoints.each_mut()).unwrap();
            let gradients = adjoints.map(|a| a.into_option().map_or(vec![], |t| t.to_f64()));
            std::iter::once(y).chain(gradients).collect::<Vec<_>>()
        })
    };
    let (single, double) = (run(DType::F32, 1), run(DType::F64, 1));
    for (k, (single, double)) in single.iter().zip(&double).enumerate() {
        let what = if k == 0 { "the output".to_string() } else { format!("the gradient of input {}", k - 1) };
        assert_eq!(single.len(), double.len(), "{what}");
        for (i, (single, double)) in single.iter().zip(double).enumerate() {
            let close = (single - double).abs() <= tolerance * (1.0 + double.abs());
            assert!(close, "{what}, element {i}: {single} in f32, {double} in f64");
        }
    }
    let three = run(DType::F32, 3);
    let bits = |run: &[Vec<f64>]| run.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(&single) == bits(&three), "other bits on three threads than on one");
}

/// Both passes state their cost: each is an op of a profile, and moves as many bytes as it gives.
pub fn costs<const N: usize, S>(
    inputs: [Input; N],
    forward_saving: impl Fn(&Context, [&Tensor; N]) -> Result<(Tensor, S)>,
    backward: impl Fn(&Context, S, Tensor, [&mut Adjoint; N]) -> Result<()>,
) {
    let cx = f32_context();
    let tensors = tensors(&cx, &inputs);
    let bytes = |what: &str| {
        let ops: Vec<_> = cx.recorded().unwrap().phases().into_iter().flat_map(|p| p.ops).collect();
        assert!(!ops.is_empty(), "the {what} pass opens no scope: `let _op = cx.op(..)`");
        ops.iter().map(|op| op.cost.bytes).sum::<u64>() as usize
    };
    cx.record().unwrap();
    let (y, saved) = forward_saving(&cx, tensors.each_ref()).unwrap();
    assert!(bytes("forward") >= y.bytes(), "the forward pass moves less than it gives");
    let d_y = gradcheck::tensor(&cx, *y.shape(), 3).unwrap();
    let mut adjoints = tensors.each_ref().map(|x| if x.dtype() == DType::F32 { Adjoint::new() } else { Adjoint::skip() });
    cx.record().unwrap();
    backward(&cx, saved, d_y, adjoints.each_mut()).unwrap();
    let bytes = bytes("backward");
    let given: usize = adjoints.into_iter().filter_map(Adjoint::into_option).map(|d_x| d_x.bytes()).sum();
    assert!(bytes >= given, "the backward pass moves {bytes} bytes and gives {given}");
}

/// Runs `work` on so many threads.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Gradients, precision and costs with the same closures on small and on odd, larger inputs.
#[macro_export]
#[doc(hidden)]
macro_rules! __specify {
    ($small:expr, $large:expr, $tolerance:expr, $forward:expr, $backward:expr $(,)?) => {{
        $crate::ops::shared::specification::gradients($small, $forward, $backward);
        $crate::ops::shared::specification::precision($large, $tolerance, $forward, $backward);
        $crate::ops::shared::specification::costs($large, $forward, $backward);
    }};
}
#[doc(inline)]
pub use __specify as specify;

/// That the message of an error contains all of these.
#[track_caller]
pub fn refused<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("this should have been refused") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}
