//! The operations of the Box-Muller transform. One source then works for one float and for a group of vectors.

use std::ops::{Add, Mul, Sub};

/// f32 numbers, in one or many lanes.
pub(super) trait Float: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    type Word: Word<Float = Self>;
    fn of(x: f32) -> Self;
    fn sqrt(self) -> Self;
    fn bits(self) -> Self::Word;
    fn select(mask: <Self::Word as Word>::Mask, yes: Self, no: Self) -> Self;
}

/// u32 numbers in as many lanes, with wrapping arithmetic.
pub(super) trait Word: Copy {
    type Float: Float<Word = Self>;
    type Mask: Copy;
    fn plus(self, constant: u32) -> Self;
    fn and(self, constant: u32) -> Self;
    fn xor(self, other: Self) -> Self;
    fn left<const BITS: u32>(self) -> Self;
    /// The complement of the lanes in which `mask` is set.
    fn complement(self, mask: Self::Mask) -> Self;
    /// The top nine bits as a signed number: the exponent of a float.
    fn exponent(self) -> Self::Float;
    fn unsigned_to_float(self) -> Self::Float;
    fn signed_to_float(self) -> Self::Float;
    fn as_bits(self) -> Self::Float;
    fn at_least(self, constant: u32) -> Self::Mask;
    /// True if the bit is set.
    fn has(self, bit: u32) -> Self::Mask;
}

impl Float for f32 {
    type Word = u32;
    #[inline(always)]
    fn of(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        self.sqrt()
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }
    #[inline(always)]
    fn select(mask: bool, yes: f32, no: f32) -> f32 {
        if mask { yes } else { no }
    }
}

impl Word for u32 {
    type Float = f32;
    type Mask = bool;
    #[inline(always)]
    fn plus(self, constant: u32) -> u32 {
        self.wrapping_add(constant)
    }
    #[inline(always)]
    fn and(self, constant: u32) -> u32 {
        self & constant
    }
    #[inline(always)]
    fn xor(self, other: u32) -> u32 {
        self ^ other
    }
    #[inline(always)]
    fn left<const BITS: u32>(self) -> u32 {
        self << BITS
    }
    #[inline(always)]
    fn complement(self, mask: bool) -> u32 {
        if mask { !self } else { self }
    }
    #[inline(always)]
    fn exponent(self) -> f32 {
        (self as i32 >> 23) as f32
    }
    #[inline(always)]
    fn unsigned_to_float(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn signed_to_float(self) -> f32 {
        self as i32 as f32
    }
    #[inline(always)]
    fn as_bits(self) -> f32 {
        f32::from_bits(self)
    }
    #[inline(always)]
    fn at_least(self, constant: u32) -> bool {
        self >= constant
    }
    #[inline(always)]
    fn has(self, bit: u32) -> bool {
        self & bit != 0
    }
}
