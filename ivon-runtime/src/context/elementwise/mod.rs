//! Copies, conversions and sums of tensors, used by contexts and adjoints.

pub(crate) mod cuda;

use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::dtype::{DType, Element};
use crate::core::error::{Error, Result};
use crate::device::cpu::parallel::{CHUNK, pieces};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use crate::versions;
use half::bf16;

/// Copies a tensor to memory of its own.
///
/// # Errors
/// As [`Context::empty`].
pub fn copy(cx: &Context, x: &Tensor) -> Result<Tensor> {
    let mut y = cx.empty_of(x.dtype(), *x.shape())?;
    cx.run("copy", Copy { x, y: &mut y })?;
    Ok(y)
}

struct Copy<'a> {
    x: &'a Tensor,
    y: &'a mut Tensor,
}

impl Compute for Copy<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::default().reads([self.x]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        let Copy { x, y } = self;
        match x.dtype() {
            DType::Bf16 => copy_slice::<bf16>(x.as_slice(), y.as_mut_slice()),
            DType::U32 => copy_slice::<u32>(x.as_slice(), y.as_mut_slice()),
            DType::F32 => copy_slice::<f32>(x.as_slice(), y.as_mut_slice()),
            DType::F64 => copy_slice::<f64>(x.as_slice(), y.as_mut_slice()),
        }
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::copy(cx, self.x, self.y)
    }
}

/// Converts bf16 to f32.
pub(crate) fn widen(cx: &Context, x: &Tensor) -> Result<Tensor> {
    let mut y = cx.empty_of(DType::F32, *x.shape())?;
    cx.run("widen", Widen { x, y: &mut y })?;
    Ok(y)
}

struct Widen<'a> {
    x: &'a Tensor,
    y: &'a mut Tensor,
}

impl Compute for Widen<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::default().reads([self.x]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        let (x, y) = (self.x.as_slice::<bf16>(), self.y.as_mut_slice::<f32>());
        pieces(y, CHUNK, |i, y| y.iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, x)| *y = x.to_f32()));
    }
}

/// Converts f32 to the type of activations on a GPU.
pub(crate) fn narrow(cx: &Context, x: &Tensor) -> Result<Tensor> {
    let mut y = cx.empty(*x.shape())?;
    cuda::narrow(cx, x, &mut y)?;
    Ok(y)
}

/// `sum += x`, elementwise, of equal shapes.
///
/// # Errors
/// If the shapes or the types differ, or the elements are ids.
pub fn add_assign(cx: &Context, sum: &mut Tensor, x: &Tensor) -> Result<()> {
    if sum.shape() != x.shape() {
        return Err(Error::mismatch("add_assign", ("sum", sum.shape()), ("x", x.shape())));
    }
    if sum.dtype() != x.dtype() || x.dtype() == DType::U32 {
        let message = format!("`x` of {:?} cannot be added to `sum` of {:?}: both must be f32 or f64", x.dtype(), sum.dtype());
        return Err(Error::value("add_assign", message));
    }
    cx.run("add", AddAssign { sum, x })
}

struct AddAssign<'a> {
    sum: &'a mut Tensor,
    x: &'a Tensor,
}

impl Compute for AddAssign<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.x, 1).reads([self.x]).writes(self.sum, true)
    }

    fn cpu<E: Real>(self) {
        match self.x.dtype() {
            DType::F64 => add_slice::<f64>(self.x.as_slice(), self.sum.as_mut_slice()),
            _ => add_slice::<f32>(self.x.as_slice(), self.sum.as_mut_slice()),
        }
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::add_assign(cx, self.sum, self.x)
    }
}

pub(crate) fn copy_slice<E: Element>(x: &[E], y: &mut [E]) {
    pieces(y, CHUNK, |i, y| y.copy_from_slice(&x[i * CHUNK..][..y.len()]));
}

pub(crate) fn add_slice<E: Real>(x: &[E], y: &mut [E]) {
    pieces(y, CHUNK, |i, y| add_piece(&x[i * CHUNK..][..y.len()], y));
}

versions! {
    fn add_piece<{E: Real} {E}>(x: &[E], y: &mut [E]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += *x;
        }
    }
}
