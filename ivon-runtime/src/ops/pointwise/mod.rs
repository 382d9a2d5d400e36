//! The engine for fused pointwise expressions: the compiler writes a [`Kernel`], this runs it.
//!
//! Shapes broadcast: counted from the last, the dimensions of two inputs are equal, or one of them is 1 or missing. `[C]` and
//! `[B, T, 1]` go with `[B, T, C]`, a scalar goes with everything; `[B, T]` does not go with `[B, T, C]`.

mod body;
mod cpu;
mod cuda;
#[cfg(test)]
mod tests;

use super::expand;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::real::Real;
use crate::ops::shared::axes::Repeats;
use crate::ops::shared::{along, check};
use crate::tensor::Tensor;
use std::marker::PhantomData;

/// A pointwise expression of `I` tensors and `S` numbers with `O` results.
pub trait Kernel<const I: usize, const S: usize, const O: usize> {
    /// The expression as the user wrote it, for messages.
    const NAME: &'static str;
    /// The body as CUDA C++: from `x0`, `x1`, ... (the inputs) and `s0`, ... (the numbers), all `float`, it sets `y0`, ... by arithmetic and calls of
    /// functions of `float` alone. A launch refuses a body with anything else in it.
    const CUDA: &'static str;
    /// Operations an element, each call of a function counted as one.
    const OPERATIONS: usize;
    /// The body, for one element. Generated code marks it `#[inline(always)]`, so that it is vectorised with the loop around it.
    fn apply<E: Real>(inputs: [E; I], scalars: [E; S]) -> [E; O];
}

/// The CUDA source around a [`Kernel::CUDA`] of so many inputs, numbers and outputs, which works on `vector` elements a thread at a time: for tests
/// that compile it.
#[doc(hidden)]
pub fn source(name: &str, body: &str, [inputs, numbers, outputs]: [usize; 3], vector: usize) -> crate::device::cuda::Text {
    cuda::source(name, body, [inputs, numbers, outputs], vector)
}

/// y = K(inputs, scalars), elementwise.
///
/// # Errors
/// If the inputs do not broadcast: the message names both shapes and the expression.
pub fn forward<K: Kernel<I, S, 1>, const I: usize, const S: usize>(
    cx: &Context,
    _kernel: K,
    inputs: [&Tensor; I],
    scalars: [f64; S],
) -> Result<Tensor> {
    let shape = output_shape(K::NAME, &inputs)?;
    check_types(K::NAME, cx, &inputs)?;
    let expanded = expanded(cx, inputs, &shape)?;
    let inputs = std::array::from_fn(|i| expanded[i].as_ref().unwrap_or(inputs[i]));
    let mut y = cx.empty_of(cuda::output_type(cx, &inputs), shape)?;
    cx.run(K::NAME, Evaluate::<K, I, S, 1> { shape, inputs, scalars, outputs: [Some((&mut y, false))], kernel: PhantomData })?;
    Ok(y)
}

/// Adds output j of the kernel to adjoint j. The inputs include saved ones and `d_y`, whose shape is `shape`; where an
/// adjoint's shape is smaller, the gradient is summed over the dimensions along which it is broadcast.
///
/// # Errors
/// If a shape does not broadcast to `shape`.
pub fn backward<K: Kernel<I, S, O>, const I: usize, const S: usize, const O: usize>(
    cx: &Context,
    _kernel: K,
    shape: Shape,
    inputs: [&Tensor; I],
    scalars: [f64; S],
    adjoints: [(&mut Adjoint, Shape); O],
) -> Result<()> {
    for input in inputs {
        check_broadcast(K::NAME, &shape, input.shape())?;
    }
    check_types(K::NAME, cx, &inputs)?;
    if !adjoints.iter().any(|(adjoint, _)| adjoint.wanted()) {
        return Ok(());
    }
    let expanded = expanded(cx, inputs, &shape)?;
    let inputs = std::array::from_fn(|i| expanded[i].as_ref().unwrap_or(inputs[i]));
    // A gradient that is summed is computed in full first.
    let mut full: [Option<Tensor>; O] = [const { None }; O];
    let mut targets: [Option<(&mut Tensor, bool)>; O] = [const { None }; O];
    for ((target, full), (adjoint, of)) in targets.iter_mut().zip(&mut full).zip(adjoints) {
        check_broadcast(K::NAME, &shape, &of)?;
        if adjoint.wanted() && of != shape {
            *full = Some(cx.empty(shape)?);
        }
        *target = adjoint.target(cx, of)?;
    }
    let mut outputs: [Output; O] = [const { None }; O];
    for ((output, full), target) in outputs.iter_mut().zip(&mut full).zip(&mut targets) {
        *output = match (full, target) {
            (Some(full), _) => Some((full, false)),
            (None, target) => target.as_mut().map(|(target, add)| (&mut **target, *add)),
        };
    }
    cx.run(K::NAME, Evaluate::<K, I, S, O> { shape, inputs, scalars, outputs, kernel: PhantomData })?;
    for (full, target) in full.into_iter().zip(targets) {
        if let (Some(full), Some((target, add))) = (full, target) {
            along::sum_to(cx, &full, target, add)?;
        }
    }
    Ok(())
}

/// A tensor that is written, or added to.
type Output<'a> = Option<(&'a mut Tensor, bool)>;

/// outputs\[j\] = K(inputs)\[j\], or += it, for inputs that repeat along `shape` and outputs of this shape.
struct Evaluate<'a, K, const I: usize, const S: usize, const O: usize> {
    shape: Shape,
    inputs: [&'a Tensor; I],
    scalars: [f64; S],
    outputs: [Output<'a>; O],
    kernel: PhantomData<K>,
}

impl<K: Kernel<I, S, O>, const I: usize, const S: usize, const O: usize> Compute for Evaluate<'_, K, I, S, O> {
    fn cost(&self, _: &Context) -> Cost {
        let cost = Cost::flops(self.shape.elements() * K::OPERATIONS).reads(self.inputs);
        self.outputs.iter().flatten().fold(cost, |cost, (output, add)| cost.writes(output, *add))
    }

    fn cpu<E: Real>(self) {
        let outputs = self.outputs.map(|output| output.map(|(y, add)| (y.as_mut_slice::<E>(), add)));
        let inputs = self.inputs.map(|x| cpu::Input { x: x.as_slice::<E>(), repeats: repeats(x, &self.shape) });
        cpu::evaluate::<E, K, I, S, O>(inputs, self.scalars, outputs, self.shape.elements());
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::evaluate::<K, I, S, O>(cx, self.shape, self.inputs, self.scalars, self.outputs)
    }
}

/// The gradient that is `d_y` itself, as that of `b` in `x + b`: shared where the shapes are equal, else summed over the dimensions
/// along which `b` was broadcast.
///
/// # Errors
/// If `shape` does not broadcast to the shape of `d_y`.
pub fn pass_through(cx: &Context, d_y: &Tensor, adjoint: &mut Adjoint, shape: Shape) -> Result<()> {
    check_broadcast("pass_through", d_y.shape(), &shape)?;
    if shape == *d_y.shape() {
        return adjoint.add(cx, d_y.clone());
    }
    match adjoint.target(cx, shape)? {
        Some((target, add)) => along::sum_to(cx, d_y, target, add),
        None => Ok(()),
    }
}

/// The shape to which all inputs are broadcast.
fn output_shape(name: &str, inputs: &[&Tensor]) -> Result<Shape> {
    let longest = inputs.iter().map(|x| *x.shape()).reduce(|a, b| if b.rank() > a.rank() { b } else { a }).unwrap_or_default();
    if inputs.iter().all(|x| longest.ends_with(x.shape())) {
        return Ok(longest);
    }
    let mut dims = longest.to_vec();
    for x in inputs {
        let missing = dims.len() - x.shape().rank();
        dims[missing..].iter_mut().zip(x.shape().iter()).filter(|(dim, _)| **dim == 1).for_each(|(dim, of)| *dim = *of);
    }
    let shape = Shape::new(&dims);
    inputs.iter().try_for_each(|x| check_broadcast(name, &shape, x.shape()))?;
    Ok(shape)
}

fn check_broadcast(name: &str, shape: &Shape, from: &Shape) -> Result<()> {
    if expand::fits(from, shape) {
        return Ok(());
    }
    Err(Error::shape(
        format!("`{name}`"),
        format!("{shape} does not go with {from}: counted from the last, dimensions must be equal, or one of them 1"),
    ))
}

/// Inputs that repeat along several axes, in full.
fn expanded<const I: usize>(cx: &Context, inputs: [&Tensor; I], shape: &Shape) -> Result<[Option<Tensor>; I]> {
    let mut all = [const { None }; I];
    for (expanded, input) in all.iter_mut().zip(inputs) {
        if Repeats::of(input.shape(), shape).is_none() {
            *expanded = Some(expand::forward(cx, input, *shape)?);
        }
    }
    Ok(all)
}

/// How an input repeats along the output, which is known of all by now.
fn repeats(input: &Tensor, shape: &Shape) -> Repeats {
    Repeats::of(input.shape(), shape).unwrap_or(Repeats { axis: 1, inner: input.shape().elements() })
}

fn check_types(name: &str, cx: &Context, inputs: &[&Tensor]) -> Result<()> {
    // On a GPU that computes in bf16, losses stay in f32.
    let f32_too = cx.dtype() == DType::Bf16;
    let others = inputs.iter().filter(|x| !(f32_too && x.dtype() == DType::F32));
    others.into_iter().try_for_each(|x| check::float(name, cx, &[("an input", x)]))
}
