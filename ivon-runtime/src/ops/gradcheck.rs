//! Checks an op's backward pass against central differences: for the ops here, and for the user's own.
//!
//! ```
//! use ivon_runtime::ops::{gradcheck, transpose};
//! use ivon_runtime::{Context, DType, Device, Tensor};
//!
//! let cx = Context::new(Device::Cpu, DType::F64)?;
//! let x = gradcheck::tensor(&cx, [2, 3], 1)?;
//! gradcheck::check(
//!     &cx,
//!     [&x],
//!     |cx, [x]| transpose::forward_saving(cx, x, 0, 1),
//!     |cx, saved, d_y, [d_x]| transpose::backward(cx, saved, d_y, d_x),
//! )?;
//! # Ok::<(), ivon_runtime::Error>(())
//! ```

use super::add_assign;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::tensor::Tensor;

/// The largest difference that passes, relative to 1 + |gradient|. Central differences in f64 err by about 1e-9 where the
/// function is smooth.
pub const TOLERANCE: f64 = 1e-6;

/// A tensor of the context's type with made-up numbers in (-1, 1), the same for the same `seed`.
///
/// # Errors
/// As [`Tensor::from_slice`].
pub fn tensor(cx: &Context, shape: impl Into<Shape>, seed: u64) -> Result<Tensor> {
    let shape = shape.into();
    let numbers = numbers(shape.elements(), seed);
    of(cx.dtype(), &numbers, shape)
}

/// Checks the gradients of a function of `N` tensors, for all inputs but ids.
///
/// With fixed weights w, the scalar L = sum(w · y) has d_y = w; each dL/dx is compared with
/// (L(x + h) - L(x - h)) / 2h. Checked besides: that a contribution is added to one that is there, that an adjoint that is not wanted is left
/// alone, and that the op neither touches memory nor allocates differently in a dry run.
///
/// The context computes in f64. The function must be smooth near its inputs, and the same each time it is called: dropout
/// needs [`Context::set_pass`] in `forward_saving`.
///
/// # Errors
/// The first gradient that is off: which input, which element, both values.
pub fn check<const N: usize, S>(
    cx: &Context,
    inputs: [&Tensor; N],
    forward_saving: impl Fn(&Context, [&Tensor; N]) -> Result<(Tensor, S)>,
    backward: impl Fn(&Context, S, Tensor, [&mut Adjoint; N]) -> Result<()>,
) -> Result<()> {
    if cx.dtype() != DType::F64 {
        return Err(Error::config("gradients are checked in f64: make the context with `DType::F64`"));
    }
    let weights = |y: &Tensor| numbers(y.shape().elements(), 77);
    let loss = |inputs: [&Tensor; N]| -> Result<f64> {
        let (y, _) = forward_saving(cx, inputs)?;
        Ok(y.to_f64().iter().zip(weights(&y)).map(|(y, w)| y * w).sum())
    };
    // All gradients, into these adjoints.
    let gradients = |mut adjoints: [Adjoint; N]| -> Result<[Adjoint; N]> {
        let (y, saved) = forward_saving(cx, inputs)?;
        let d_y = of(DType::F64, &weights(&y), *y.shape())?;
        drop(y);
        backward(cx, saved, d_y, adjoints.each_mut())?;
        Ok(adjoints)
    };
    let differentiable: [bool; N] = inputs.map(|x| x.dtype() == DType::F64);
    let start = |i: usize| of(DType::F64, &numbers(inputs[i].shape().elements(), 5 + i as u64), *inputs[i].shape());
    let fresh = |i: usize| if differentiable[i] { Adjoint::new() } else { Adjoint::skip() };

    let all = gradients(std::array::from_fn(fresh))?;
    let mut exact: [Vec<f64>; N] = [const { vec![] }; N];
    for (i, adjoint) in all.into_iter().enumerate() {
        if differentiable[i] {
            exact[i] = central_differences(inputs, i, &loss)?;
            compare("the gradient", i, adjoint, inputs[i].shape(), &exact[i])?;
        }
    }

    let mut starts = vec![];
    let mut adjoints = std::array::from_fn(fresh);
    for i in (0..N).filter(|i| differentiable[*i]) {
        let begun = start(i)?;
        let mut sum = start(i)?;
        add_assign(cx, &mut sum, &of(DType::F64, &exact[i], *inputs[i].shape())?)?;
        starts.push((i, sum.to_f64()));
        adjoints[i] = Adjoint::of(begun);
    }
    let mut all = gradients(adjoints)?;
    for (i, sum) in starts {
        let adjoint = std::mem::replace(&mut all[i], Adjoint::skip());
        compare("the gradient added to an earlier contribution", i, adjoint, inputs[i].shape(), &sum)?;
    }

    for left_out in (0..N).filter(|i| differentiable[*i]) {
        let all = gradients(std::array::from_fn(|i| if i == left_out { Adjoint::skip() } else { fresh(i) }))?;
        for (i, adjoint) in all.into_iter().enumerate() {
            if i == left_out && adjoint.wanted() {
                return Err(Error::value("gradcheck", format!("the adjoint of input {i} was filled though nobody wanted it")));
            }
            if i != left_out && differentiable[i] {
                compare(&format!("without that of input {left_out}, the gradient"), i, adjoint, inputs[i].shape(), &exact[i])?;
            }
        }
    }

    cx.planned("gradcheck", &inputs, |cx| {
        let (y, saved) = forward_saving(cx, inputs)?;
        let d_y = cx.zeros(*y.shape())?;
        drop(y);
        let mut adjoints = std::array::from_fn(fresh);
        backward(cx, saved, d_y, adjoints.each_mut())
    })
}

fn central_differences<const N: usize>(
    inputs: [&Tensor; N],
    i: usize,
    loss: &impl Fn([&Tensor; N]) -> Result<f64>,
) -> Result<Vec<f64>> {
    let x = inputs[i].to_f64();
    let at = |element: usize, value: f64| {
        let mut moved = x.clone();
        moved[element] = value;
        let moved = of(DType::F64, &moved, *inputs[i].shape())?;
        loss(std::array::from_fn(|j| if j == i { &moved } else { inputs[j] }))
    };
    let h = 1e-5;
    (0..x.len()).map(|element| Ok((at(element, x[element] + h)? - at(element, x[element] - h)?) / (2.0 * h))).collect()
}

fn compare(what: &str, input: usize, adjoint: Adjoint, shape: &Shape, exact: &[f64]) -> Result<()> {
    let found = match adjoint.into_option() {
        Some(found) if found.shape() == shape => found.to_f64(),
        Some(found) => {
            let message = format!("{what} with respect to input {input} is {}, the input is {shape}", found.shape());
            return Err(Error::shape("gradcheck", message));
        }
        // No contribution stands for zeros.
        None => vec![0.0; exact.len()],
    };
    for (element, (found, exact)) in found.iter().zip(exact).enumerate() {
        let close = (found - exact).abs() <= TOLERANCE * (1.0 + exact.abs());
        if !close {
            let message = format!(
                "{what} with respect to input {input}, which is {shape}, is {found:.9} at element {element}; by central differences it is {exact:.9}"
            );
            return Err(Error::value("gradcheck", message));
        }
    }
    Ok(())
}

/// Made-up numbers in (-1, 1): the middle bits of a linear congruential sequence.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 + 0.5) / (1u64 << 23) as f64 - 1.0
    };
    next();
    (0..count).map(|_| next()).collect()
}

fn of(dtype: DType, numbers: &[f64], shape: Shape) -> Result<Tensor> {
    match dtype {
        DType::F64 => Tensor::from_slice(numbers, shape),
        _ => Tensor::from_slice(&numbers.iter().map(|x| *x as f32).collect::<Vec<_>>(), shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::transpose;

    fn f64_context() -> Context {
        Context::new(crate::device::Device::Cpu, DType::F64).unwrap()
    }

    #[test]
    fn a_wrong_gradient_is_found() {
        let cx = f64_context();
        let x = tensor(&cx, [2, 3], 1).unwrap();
        let wrong = check(
            &cx,
            [&x],
            |cx, [x]| transpose::forward_saving(cx, x, 0, 1),
            |cx, _, d_y, [d_x]| d_x.add(cx, d_y.reshaped([2, 3])),
        );
        assert!(wrong.unwrap_err().to_string().contains("input 0"));
    }

    #[test]
    fn a_gradient_that_overwrites_is_found() {
        let cx = f64_context();
        let x = tensor(&cx, [3], 1).unwrap();
        let wrong = check(
            &cx,
            [&x],
            |_, [x]| Ok((x.clone(), ())),
            |_, _, d_y, [d_x]| {
                *d_x = Adjoint::of(d_y);
                Ok(())
            },
        );
        assert!(wrong.unwrap_err().to_string().contains("earlier contribution"));
    }

    #[test]
    fn an_op_that_touches_memory_in_a_dry_run_is_found() {
        let cx = f64_context();
        let x = tensor(&cx, [3], 1).unwrap();
        let forward = |cx: &Context, [x]: [&Tensor; 1]| {
            let mut y = cx.empty(*x.shape())?;
            y.as_mut_slice::<f64>().copy_from_slice(x.as_slice());
            Ok((y, ()))
        };
        let run = || check(&cx, [&x], forward, |cx, _, d_y, [d_x]| d_x.add(cx, d_y));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
}
