//! The types of elements, and the arithmetic that kernels are generic over.

use crate::simd::Instructions;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// 32-bit floating point: state, and compute by default.
    F32,
    /// 64-bit floating point: the reference implementation, which the fast one is checked against.
    F64,
    /// 16-bit floating point with 8 bits of exponent: the type of the weights where products are of bf16; sums and state are f32.
    Bf16,
    /// Ids: token ids, class labels.
    U32,
}

impl DType {
    /// Bytes an element.
    pub fn bytes(self) -> usize {
        match self {
            DType::Bf16 => 2,
            DType::F32 | DType::U32 => 4,
            DType::F64 => 8,
        }
    }

    /// The type of activations, gradients and sums where the weights are of this one: f32 for bf16, else the same.
    pub fn sums(self) -> DType {
        if self == DType::Bf16 { DType::F32 } else { self }
    }
}

/// Keeps [`Element`] to the types here: a tensor's memory is read as them.
mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for half::bf16 {}
    impl Sealed for u32 {}
}

/// A Rust type that can be a tensor's element: `f32`, `f64`, `half::bf16` or `u32`.
pub trait Element: sealed::Sealed + Copy + Default + Debug + PartialEq + Send + Sync + 'static {
    /// Its tag.
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}
impl Element for f64 {
    const DTYPE: DType = DType::F64;
}
impl Element for half::bf16 {
    const DTYPE: DType = DType::Bf16;
}
impl Element for u32 {
    const DTYPE: DType = DType::U32;
}

/// A real number: `f32`, with the same bits on every instruction set, or `f64`, the reference.
///
/// The `f32` functions use only `+ - * /`, `sqrt`, comparisons and integer operations, so that LLVM vectorises them and every
/// instruction set rounds alike.
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
    /// The larger of two; the second where they compare equal, NaN where either is NaN.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // The comparison takes `other` where either is NaN.
        let larger = if self > other { self } else { other };
        if self.is_nan() { self } else { larger }
    }
    /// The smaller of two; the second where they compare equal, NaN where either is NaN.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        let smaller = if self < other { self } else { other };
        if self.is_nan() { self } else { smaller }
    }
    /// max(x, 0); NaN where x is NaN.
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
    /// 1 where `self > other`, else 0.
    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        if self > other { Self::of(1.0) } else { Self::default() }
    }
    /// 1 where `self >= other`, else 0.
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        if self >= other { Self::of(1.0) } else { Self::default() }
    }
    /// 1 where `self == other`, else 0.
    #[inline(always)]
    fn equals(self, other: Self) -> Self {
        if self == other { Self::of(1.0) } else { Self::default() }
    }
    /// `a` where `self` is not 0, else `b`.
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        if self != Self::default() { a } else { b }
    }
    /// The gradient of [`Real::relu`], of its argument or its result and the gradient `d` of the result: 0 where `self <= 0`, else `d`, as PyTorch.
    #[inline(always)]
    fn gate(self, d: Self) -> Self {
        if self <= Self::default() { Self::default() } else { d }
    }
    /// The part of the gradient `d` of `max(self, other)` that `self` gets: `d` where it is larger, `d / 2` where both are equal, 0 where it is smaller. Where
    /// one is NaN both get `d`, as PyTorch has it. The part of `min(self, other)` is `other.share(self, d)`.
    #[inline(always)]
    fn share(self, other: Self, d: Self) -> Self {
        let unequal = if self < other { Self::default() } else { d };
        if self == other { d * Self::of(0.5) } else { unequal }
    }
    /// x^p for a constant exponent.
    fn powf(self, p: f64) -> Self;
    /// `self · a + b`, rounded once. Slow where the CPU has no instruction for it.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// 1 / (1 + e^-x).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::of(1.0) / (Self::of(1.0) + (-self).exp())
    }
    /// 1 / (1 + e^-x) with multiply-adds where the instruction set has them: beside products of matrices, whose bits depend on the machine as well.
    #[inline(always)]
    fn sigmoid_beside_products<Set: Instructions>(self) -> Self {
        self.sigmoid()
    }
}
