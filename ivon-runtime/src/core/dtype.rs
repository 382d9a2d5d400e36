//! The types of elements.

use std::fmt::Debug;

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// 32-bit floating point: state, and the default compute type.
    F32,
    /// 64-bit floating point: the reference implementation, against which the fast one is checked.
    F64,
    /// 16-bit floating point with 8 bits of exponent: the type of weights in bf16 products. Sums and state are f32.
    Bf16,
    /// Ids: token ids, class labels.
    U32,
}

impl DType {
    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            DType::Bf16 => 2,
            DType::F32 | DType::U32 => 4,
            DType::F64 => 8,
        }
    }

    /// The type of activations, gradients and sums for weights of this type: f32 for bf16, otherwise the same type.
    pub fn sums(self) -> DType {
        if self == DType::Bf16 { DType::F32 } else { self }
    }
}

/// Restricts [`Element`] to the types of this file, because the memory of a tensor is read as them.
mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for half::bf16 {}
    impl Sealed for u32 {}
}

/// A Rust type that can be a tensor's element: `f32`, `f64`, `half::bf16` or `u32`.
pub trait Element: sealed::Sealed + Copy + Default + Debug + PartialEq + Send + Sync + 'static {
    /// The type as a value.
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
