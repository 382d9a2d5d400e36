//! The instructions of AVX-512.

use super::vectors::Vector;
use std::arch::x86_64::*;

/// Vectors of 512 bits.
#[derive(Clone, Copy)]
pub(super) struct Zmm;

impl Vector for Zmm {
    type Float = __m512;
    type Word = __m512i;
    type Mask = __mmask16;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn float(x: f32) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_sqrt_ps(x) }
    }
    #[inline(always)]
    unsafe fn select(mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_mask_mov_ps(no, mask, yes) }
    }
    #[inline(always)]
    unsafe fn bits(x: __m512) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_castps_si512(x) }
    }
    #[inline(always)]
    unsafe fn store(x: __m512, to: *mut f32) {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn word(x: u32) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn as_bits(x: __m512i) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_castsi512_ps(x) }
    }
    #[inline(always)]
    unsafe fn plus(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn xor(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn left(x: __m512i, bits: u32) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_sll_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }
    #[inline(always)]
    unsafe fn complement(x: __m512i, mask: __mmask16) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_mask_xor_epi32(x, mask, x, _mm512_set1_epi32(-1)) }
    }
    #[inline(always)]
    unsafe fn exponent(x: __m512i) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_cvtepi32_ps(_mm512_srai_epi32::<23>(x)) }
    }
    #[inline(always)]
    unsafe fn unsigned_to_float(x: __m512i) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_cvtepu32_ps(x) }
    }
    #[inline(always)]
    unsafe fn signed_to_float(x: __m512i) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn at_least(a: __m512i, b: __m512i) -> __mmask16 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_cmpge_epu32_mask(a, b) }
    }
    #[inline(always)]
    unsafe fn has(a: __m512i, b: __m512i) -> __mmask16 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_test_epi32_mask(a, b) }
    }
    #[inline(always)]
    unsafe fn wide(x: u64) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_set1_epi64(x as i64) }
    }
    #[inline(always)]
    unsafe fn even() -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14) }
    }
    #[inline(always)]
    unsafe fn plus_wide(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_add_epi64(a, b) }
    }
    #[inline(always)]
    unsafe fn product(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_mul_epu32(a, b) }
    }
    #[inline(always)]
    unsafe fn high(x: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_shuffle_epi32::<0b11_11_01_01>(x) }
    }
    #[inline(always)]
    unsafe fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c) }
    }
    #[inline(always)]
    unsafe fn interleave(even: __m512i, odd: __m512i) -> __m512i {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { _mm512_mask_shuffle_epi32::<0b10_10_00_00>(even, 0xAAAA, odd) }
    }
    #[inline(always)]
    unsafe fn hold(x: __m512) -> __m512 {
        // SAFETY: the caller upholds the contract of `Vector`.
        unsafe { hold(x) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn hold(mut x: __m512) -> __m512 {
    // SAFETY: the assembly contains only a comment.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}
