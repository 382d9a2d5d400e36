//! The arithmetic of kernels: `f32` by polynomials with the same rounding on every instruction set, `f64` by the standard
//! library.
//!
//! The `f32` functions have no branches, tables or fused multiply-adds. LLVM vectorises them, and the bits are the same on every
//! machine. Largest errors, measured in the tests: 2 ulp for exp, ln, tanh, erf, sin, cos; 1 ulp for powf.

mod double;
mod single;
#[cfg(test)]
mod tests;

use crate::core::dtype::Element;
use crate::device::cpu::simd::Instructions;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A real number: `f32`, with the same bits on every instruction set, or `f64`, the reference.
///
/// The `f32` functions use only `+ - * /`, `sqrt`, comparisons and integer operations, so that LLVM vectorises them and all
/// instruction sets round in the same way.
pub trait Real:
    Element
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + std::iter::Sum
{
    /// The nearest value of this type.
    fn of(x: f64) -> Self;
    /// The same value as `f64`.
    fn to_f64(self) -> f64;
    /// e^x.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The Gauss error function.
    fn erf(self) -> Self;
    /// Sine (radians).
    fn sin(self) -> Self;
    /// Cosine (radians).
    fn cos(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger number. The second if they compare equal; NaN if either is NaN.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // The comparison is false if either is NaN, and selects `other`.
        let larger = if self > other { self } else { other };
        if self.is_nan() { self } else { larger }
    }
    /// The smaller number. The second if they compare equal; NaN if either is NaN.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        let smaller = if self < other { self } else { other };
        if self.is_nan() { self } else { smaller }
    }
    /// max(x, 0); NaN for NaN.
    #[inline(always)]
    fn relu(self) -> Self {
        if self <= Self::default() { Self::default() } else { self }
    }
    /// True for NaN.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }
    /// 1 if `self > other`, else 0.
    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        if self > other { Self::of(1.0) } else { Self::default() }
    }
    /// 1 if `self >= other`, else 0.
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        if self >= other { Self::of(1.0) } else { Self::default() }
    }
    /// 1 if `self == other`, else 0.
    #[inline(always)]
    fn equals(self, other: Self) -> Self {
        if self == other { Self::of(1.0) } else { Self::default() }
    }
    /// `a` if `self` is not 0, else `b`.
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        if self != Self::default() { a } else { b }
    }
    /// The gradient of [`Real::relu`]. `self` is its argument or its result, `d` the gradient of its result. Returns 0 if
    /// `self <= 0`, else `d`, as in PyTorch.
    #[inline(always)]
    fn gate(self, d: Self) -> Self {
        if self <= Self::default() { Self::default() } else { d }
    }
    /// The part of the gradient `d` of `max(self, other)` that belongs to `self`: `d` if it is larger, `d / 2` if both are equal,
    /// 0 if it is smaller. If one is NaN, both parts are `d`, as in PyTorch. For `min(self, other)` the part is
    /// `other.share(self, d)`.
    #[inline(always)]
    fn share(self, other: Self, d: Self) -> Self {
        let unequal = if self < other { Self::default() } else { d };
        if self == other { d * Self::of(0.5) } else { unequal }
    }
    /// x^p for a constant exponent.
    fn powf(self, p: f64) -> Self;
    /// `self · a + b`, rounded once. Slow on a CPU without an instruction for it.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// 1 / (1 + e^-x).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::of(1.0) / (Self::of(1.0) + (-self).exp())
    }
    /// 1 / (1 + e^-x), with multiply-adds if the instruction set has them. For use beside matrix products, whose bits depend on
    /// the machine as well.
    #[inline(always)]
    fn sigmoid_beside_products<Set: Instructions>(self) -> Self {
        self.sigmoid()
    }
}
