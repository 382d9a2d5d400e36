//! The instructions of AVX2.

use super::vectors::Vector;
use std::arch::x86_64::*;

/// Vectors of 256 bits.
#[derive(Clone, Copy)]
pub(super) struct Ymm;

impl Vector for Ymm {
    type Float = __m256;
    type Word = __m256i;
    type Mask = __m256i;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn float(x: f32) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_sqrt_ps(x) }
    }
    #[inline(always)]
    unsafe fn select(mask: __m256i, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(mask)) }
    }
    #[inline(always)]
    unsafe fn bits(x: __m256) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_castps_si256(x) }
    }
    #[inline(always)]
    unsafe fn store(x: __m256, to: *mut f32) {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn word(x: u32) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn as_bits(x: __m256i) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_castsi256_ps(x) }
    }
    #[inline(always)]
    unsafe fn plus(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn and(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn xor(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_xor_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn left(x: __m256i, bits: u32) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_sll_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }
    #[inline(always)]
    unsafe fn complement(x: __m256i, mask: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_xor_si256(x, mask) }
    }
    #[inline(always)]
    unsafe fn exponent(x: __m256i) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_cvtepi32_ps(_mm256_srai_epi32::<23>(x)) }
    }
    // Converts the upper and the lower half exactly; their sum is rounded once.
    #[inline(always)]
    unsafe fn unsigned_to_float(x: __m256i) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe {
            let high = _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(x));
            let low = _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(0xffff)));
            _mm256_add_ps(_mm256_mul_ps(high, _mm256_set1_ps(65_536.0)), low)
        }
    }
    #[inline(always)]
    unsafe fn signed_to_float(x: __m256i) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn at_least(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a) }
    }
    #[inline(always)]
    unsafe fn has(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_cmpeq_epi32(_mm256_and_si256(a, b), b) }
    }
    #[inline(always)]
    unsafe fn wide(x: u64) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_set1_epi64x(x as i64) }
    }
    #[inline(always)]
    unsafe fn even() -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_setr_epi64x(0, 2, 4, 6) }
    }
    #[inline(always)]
    unsafe fn plus_wide(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_add_epi64(a, b) }
    }
    #[inline(always)]
    unsafe fn product(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_mul_epu32(a, b) }
    }
    #[inline(always)]
    unsafe fn high(x: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_shuffle_epi32::<0b11_11_01_01>(x) }
    }
    #[inline(always)]
    unsafe fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_xor_si256(a, _mm256_xor_si256(b, c)) }
    }
    #[inline(always)]
    unsafe fn interleave(even: __m256i, odd: __m256i) -> __m256i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm256_blend_epi32::<0b1010_1010>(even, _mm256_shuffle_epi32::<0b10_10_00_00>(odd)) }
    }
    #[inline(always)]
    unsafe fn hold(x: __m256) -> __m256 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { hold(x) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn hold(mut x: __m256) -> __m256 {
    // SAFETY: the assembly contains only a comment.
    unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}
