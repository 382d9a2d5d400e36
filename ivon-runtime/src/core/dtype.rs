//! The types of elements.

use std::fmt::Debug;

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
