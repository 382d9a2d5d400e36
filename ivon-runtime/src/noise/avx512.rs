//! Normals of two groups at once in 512-bit vectors, by explicit instructions.
//!
//! A round of Philox is a chain of three instructions with a latency of 7 cycles, a step of a polynomial one of 5, and a processor's
//! scheduler looks ahead by about one group: so several chains are written next to each other. Where LLVM vectorises the portable
//! source it keeps them apart, which takes 1.5 times as long; 12 instructions a round and 16 blocks are the same in both.

use super::lanes::{Float, Word};
use super::normal::transform;
use super::philox::{LANES, MULTIPLIERS, ROUNDS, WEYL};
use super::{GROUP, Noise};
use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

/// Blocks `16 group .. 16 group + 16` of N streams with one key: `[n][w]` is word w of stream n, a block a lane.
///
/// # Safety
/// Needs AVX-512 F.
#[inline(always)]
unsafe fn philox<const N: usize>(key: [u32; 2], streams: [([u32; 2], u64); N]) -> [[__m512i; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        let [m0, m1] = MULTIPLIERS.map(|m| _mm512_set1_epi64(m as i64));
        // 32-bit words in 64-bit lanes, in two halves: the even blocks and the odd ones. Upper halves hold rubbish.
        let mut c = [[[_mm512_setzero_si512(); 4]; 2]; N];
        for (c, (upper, group)) in c.iter_mut().zip(streams) {
            let first = group.wrapping_mul(LANES as u64);
            let even = _mm512_add_epi64(_mm512_set1_epi64(first as u32 as i64), _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14));
            let odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
            let high = _mm512_set1_epi64((first >> 32) as i64);
            let (step, sample) = (_mm512_set1_epi64(upper[0] as i64), _mm512_set1_epi64(upper[1] as i64));
            *c = [[even, high, step, sample], [odd, high, step, sample]];
        }
        macro_rules! rounds {
            // Written out, LLVM computes what is the same in every lane, most of two rounds, in scalars.
            ($($round:literal)*) => {$(
                const _: () = assert!($round < ROUNDS);
                let k0 = _mm512_set1_epi64(key[0].wrapping_add(WEYL[0].wrapping_mul($round)) as i64);
                let k1 = _mm512_set1_epi64(key[1].wrapping_add(WEYL[1].wrapping_mul($round)) as i64);
                for c in c.as_flattened_mut() {
                    let (p0, p1) = (_mm512_mul_epu32(c[0], m0), _mm512_mul_epu32(c[2], m1));
                    *c = [xor(high(p1), c[1], k0), p1, xor(high(p0), c[3], k1), p0];
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9);
        let mut words = [[_mm512_setzero_si512(); 4]; N];
        for (words, [even, odd]) in words.iter_mut().zip(c) {
            for w in 0..4 {
                words[w] = _mm512_mask_shuffle_epi32::<0b10_10_00_00>(even[w], 0xAAAA, odd[w]);
            }
        }
        words
    }
}

/// The upper halves in the place of the lower ones. A shuffle, because shifts compete with additions for two pipes.
///
/// # Safety
/// Needs AVX-512 F.
#[inline(always)]
unsafe fn high(x: __m512i) -> __m512i {
    // SAFETY: the caller's.
    unsafe { _mm512_shuffle_epi32::<0b11_11_01_01>(x) }
}

/// # Safety
/// Needs AVX-512 F.
#[inline(always)]
unsafe fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    // SAFETY: the caller's.
    unsafe { _mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c) }
}

/// [`Noise::normals`] of two streams with one key.
///
/// # Safety
/// Needs AVX-512 F, and to be inlined into a function that is compiled for it.
#[inline(always)]
pub(super) unsafe fn normals(noise: [Noise; 2], groups: [u64; 2]) -> [[f32; GROUP]; 2] {
    // SAFETY: the caller's; the vectors and arrays have the same size, and any bits are floats.
    unsafe {
        let [a, b] = philox(noise[0].key, [(noise[0].upper, groups[0]), (noise[1].upper, groups[1])]);
        let (cos, sin) = transform::<Vectors<4>>(Words([a[0], a[2], b[0], b[2]]), Words([a[1], a[3], b[1], b[3]]));
        let ([a, b, c, d], [e, f, g, h]) = (cos.0, sin.0);
        std::mem::transmute([[a, e, b, f], [c, g, d, h]])
    }
}

/// 16 N floats. Made only inside of [`normals`].
#[derive(Clone, Copy)]
struct Vectors<const N: usize>([__m512; N]);

/// 16 N words. Made only inside of [`normals`].
#[derive(Clone, Copy)]
struct Words<const N: usize>([__m512i; N]);

/// One instruction for each of the N vectors. A loop: closures and what takes them are not compiled for the instruction set of the caller.
macro_rules! each {
    ($wrap:ident, |$i:ident| $instruction:expr) => {{
        // SAFETY: such values are made only where the instruction set is there, see their types; zeros are vectors and masks.
        unsafe {
            let mut all = [std::mem::zeroed(); N];
            for $i in 0..N {
                all[$i] = $instruction;
            }
            $wrap(all)
        }
    }};
}

impl<const N: usize> Add for Vectors<N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each!(Vectors, |i| _mm512_add_ps(self.0[i], other.0[i]))
    }
}

impl<const N: usize> Sub for Vectors<N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        each!(Vectors, |i| _mm512_sub_ps(self.0[i], other.0[i]))
    }
}

impl<const N: usize> Mul for Vectors<N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as in `each`.
        Vectors(each!(same, |i| hold(_mm512_mul_ps(self.0[i], other.0[i]))))
    }
}

impl<const N: usize> Float for Vectors<N> {
    type Word = Words<N>;
    #[inline(always)]
    fn of(x: f32) -> Self {
        // SAFETY: as in `each`.
        Vectors([unsafe { _mm512_set1_ps(x) }; N])
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        each!(Vectors, |i| _mm512_sqrt_ps(self.0[i]))
    }
    #[inline(always)]
    fn bits(self) -> Words<N> {
        each!(Words, |i| _mm512_castps_si512(self.0[i]))
    }
    #[inline(always)]
    fn select(mask: [__mmask16; N], yes: Self, no: Self) -> Self {
        each!(Vectors, |i| _mm512_mask_mov_ps(no.0[i], mask[i], yes.0[i]))
    }
}

impl<const N: usize> Word for Words<N> {
    type Float = Vectors<N>;
    type Mask = [__mmask16; N];
    #[inline(always)]
    fn plus(self, constant: u32) -> Self {
        each!(Words, |i| _mm512_add_epi32(self.0[i], _mm512_set1_epi32(constant as i32)))
    }
    #[inline(always)]
    fn and(self, constant: u32) -> Self {
        each!(Words, |i| _mm512_and_si512(self.0[i], _mm512_set1_epi32(constant as i32)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        each!(Words, |i| _mm512_xor_si512(self.0[i], other.0[i]))
    }
    #[inline(always)]
    fn left<const BITS: u32>(self) -> Self {
        each!(Words, |i| _mm512_slli_epi32::<BITS>(self.0[i]))
    }
    #[inline(always)]
    fn complement(self, mask: [__mmask16; N]) -> Self {
        each!(Words, |i| _mm512_mask_xor_epi32(self.0[i], mask[i], self.0[i], _mm512_set1_epi32(-1)))
    }
    #[inline(always)]
    fn exponent(self) -> Vectors<N> {
        each!(Vectors, |i| _mm512_cvtepi32_ps(_mm512_srai_epi32::<23>(self.0[i])))
    }
    #[inline(always)]
    fn unsigned_to_float(self) -> Vectors<N> {
        each!(Vectors, |i| _mm512_cvtepu32_ps(self.0[i]))
    }
    #[inline(always)]
    fn signed_to_float(self) -> Vectors<N> {
        each!(Vectors, |i| _mm512_cvtepi32_ps(self.0[i]))
    }
    #[inline(always)]
    fn as_bits(self) -> Vectors<N> {
        each!(Vectors, |i| _mm512_castsi512_ps(self.0[i]))
    }
    #[inline(always)]
    fn at_least(self, constant: u32) -> [__mmask16; N] {
        each!(same, |i| _mm512_cmpge_epu32_mask(self.0[i], _mm512_set1_epi32(constant as i32)))
    }
    #[inline(always)]
    fn has(self, bit: u32) -> [__mmask16; N] {
        each!(same, |i| _mm512_test_epi32_mask(self.0[i], _mm512_set1_epi32(bit as i32)))
    }
}

#[inline(always)]
fn same<T>(x: T) -> T {
    x
}

/// The identity, which keeps LLVM from moving instructions from one side to the other: it would take the chains apart again, which takes 1.4
/// times as long for the whole update.
#[inline]
#[target_feature(enable = "avx512f")]
fn hold(mut x: __m512) -> __m512 {
    // SAFETY: there is no instruction, only a comment.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}
