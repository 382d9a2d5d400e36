//! Normals of two groups at once, with explicit vector instructions of one instruction set.
//!
//! A round of Philox is a chain of three instructions with a latency of 7 cycles; a step of a polynomial has a latency of 5. A
//! CPU's scheduler looks ahead by about one group, so the code interleaves as many chains as there are registers for. If LLVM
//! vectorises the portable source, it does not interleave the chains, or runs out of registers. That takes 1.5 times as long with
//! 512 bits and twice as long with 256.

use super::lanes::{Float, Word};
use super::normal::transform;
use super::philox::{LANES, MULTIPLIERS, ROUNDS, WEYL};
use super::{GROUP, Noise};
use std::ops::{Add, Mul, Sub};

/// The instructions on one vector of f32 or u32.
///
/// # Safety
/// All functions require the instruction set, and must be inlined into a function that is compiled for it.
pub(super) trait Vector: Copy {
    type Float: Copy;
    type Word: Copy;
    type Mask: Copy;
    /// Numbers in a vector.
    const LANES: usize;

    unsafe fn float(x: f32) -> Self::Float;
    unsafe fn add(a: Self::Float, b: Self::Float) -> Self::Float;
    unsafe fn sub(a: Self::Float, b: Self::Float) -> Self::Float;
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float;
    unsafe fn sqrt(x: Self::Float) -> Self::Float;
    unsafe fn select(mask: Self::Mask, yes: Self::Float, no: Self::Float) -> Self::Float;
    unsafe fn bits(x: Self::Float) -> Self::Word;
    unsafe fn store(x: Self::Float, to: *mut f32);

    unsafe fn word(x: u32) -> Self::Word;
    unsafe fn as_bits(x: Self::Word) -> Self::Float;
    unsafe fn plus(a: Self::Word, b: Self::Word) -> Self::Word;
    unsafe fn and(a: Self::Word, b: Self::Word) -> Self::Word;
    unsafe fn xor(a: Self::Word, b: Self::Word) -> Self::Word;
    unsafe fn left(x: Self::Word, bits: u32) -> Self::Word;
    unsafe fn complement(x: Self::Word, mask: Self::Mask) -> Self::Word;
    /// `x` shifted right by 23 bits as a signed number, converted to floats.
    unsafe fn exponent(x: Self::Word) -> Self::Float;
    unsafe fn unsigned_to_float(x: Self::Word) -> Self::Float;
    unsafe fn signed_to_float(x: Self::Word) -> Self::Float;
    unsafe fn at_least(a: Self::Word, b: Self::Word) -> Self::Mask;
    /// Sets the mask in lanes in which `a` has the one bit that is set in `b`.
    unsafe fn has(a: Self::Word, b: Self::Word) -> Self::Mask;

    /// The same 64-bit number in each 64-bit lane.
    unsafe fn wide(x: u64) -> Self::Word;
    /// 0, 2, 4, ... in 64-bit lanes.
    unsafe fn even() -> Self::Word;
    unsafe fn plus_wide(a: Self::Word, b: Self::Word) -> Self::Word;
    /// Products of the lower halves of 64-bit lanes.
    unsafe fn product(a: Self::Word, b: Self::Word) -> Self::Word;
    /// Moves the upper halves of 64-bit lanes to the lower halves. A shuffle, because shifts compete with additions for two
    /// execution ports.
    unsafe fn high(x: Self::Word) -> Self::Word;
    unsafe fn xor3(a: Self::Word, b: Self::Word, c: Self::Word) -> Self::Word;
    /// The lower halves of the 64-bit lanes of both, alternating.
    unsafe fn interleave(even: Self::Word, odd: Self::Word) -> Self::Word;

    /// The identity. It prevents LLVM from moving instructions across it, which would separate the chains again: the whole update
    /// would take 1.4 times as long.
    unsafe fn hold(x: Self::Float) -> Self::Float;
}

/// [`Noise::normals`] of two streams with one key. Interleaves the computation of `N` vectors of blocks.
///
/// # Safety
/// Those of [`Vector`].
#[inline(always)]
pub(super) unsafe fn normals<V: Vector, const N: usize>(noise: [Noise; 2], groups: [u64; 2]) -> [[f32; GROUP]; 2] {
    let of_group = LANES / V::LANES;
    let mut normals = [[0.0; GROUP]; 2];
    for first in (0..2 * of_group).step_by(N) {
        let mut streams = [([0; 2], 0); N];
        for (n, stream) in streams.iter_mut().enumerate() {
            let (g, part) = ((first + n) / of_group, (first + n) % of_group);
            *stream = (noise[g].upper, groups[g].wrapping_mul(LANES as u64).wrapping_add((part * V::LANES) as u64));
        }
        // SAFETY: the caller guarantees the instruction set. A group has room for `of_group` vectors of each of four words.
        unsafe {
            let words = philox::<V, N>(noise[0].key, streams);
            let (mut u, mut v) = ([[V::word(0); 2]; N], [[V::word(0); 2]; N]);
            for n in 0..N {
                (u[n], v[n]) = ([words[n][0], words[n][2]], [words[n][1], words[n][3]]);
            }
            let (cos, sin) = transform::<Floats<V, N>>(Words(u), Words(v));
            for n in 0..N {
                let (g, part) = ((first + n) / of_group, (first + n) % of_group);
                for pair in 0..2 {
                    let to = normals[g].as_mut_ptr().add(2 * LANES * pair + V::LANES * part);
                    V::store(cos.0[n][pair], to);
                    V::store(sin.0[n][pair], to.add(LANES));
                }
            }
        }
    }
    normals
}

/// Blocks of each of N streams with one key, one block per lane: `[n][w]` is word w of stream n. A stream's blocks begin at its
/// given block.
///
/// # Safety
/// Those of [`Vector`].
#[inline(always)]
unsafe fn philox<V: Vector, const N: usize>(key: [u32; 2], streams: [([u32; 2], u64); N]) -> [[V::Word; 4]; N] {
    // SAFETY: the caller guarantees the instruction set, which is all that these functions require.
    unsafe {
        let (m0, m1) = (V::wide(MULTIPLIERS[0] as u64), V::wide(MULTIPLIERS[1] as u64));
        // 32-bit words in 64-bit lanes, in two halves: the even blocks and the odd ones. The upper halves are undefined.
        let mut c = [[[V::word(0); 4]; 2]; N];
        for n in 0..N {
            let (upper, first) = streams[n];
            let even = V::plus_wide(V::wide(first & 0xffff_ffff), V::even());
            let odd = V::plus_wide(even, V::wide(1));
            let (high, step, sample) = (V::wide(first >> 32), V::wide(upper[0] as u64), V::wide(upper[1] as u64));
            c[n] = [[even, high, step, sample], [odd, high, step, sample]];
        }
        macro_rules! rounds {
            // The rounds are written out so that LLVM computes values that are equal in every lane, most of two rounds, in
            // scalars.
            ($($round:literal)*) => {$(
                const _: () = assert!($round < ROUNDS);
                let k0 = V::wide(key[0].wrapping_add(WEYL[0].wrapping_mul($round)) as u64);
                let k1 = V::wide(key[1].wrapping_add(WEYL[1].wrapping_mul($round)) as u64);
                for c in c.as_flattened_mut() {
                    let (p0, p1) = (V::product(c[0], m0), V::product(c[2], m1));
                    *c = [V::xor3(V::high(p1), c[1], k0), p1, V::xor3(V::high(p0), c[3], k1), p0];
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9);
        let mut words = [[V::word(0); 4]; N];
        for n in 0..N {
            for w in 0..4 {
                words[n][w] = V::interleave(c[n][0][w], c[n][1][w]);
            }
        }
        words
    }
}

/// Floats for two pairs of words of N vectors of blocks. Only made inside of [`normals`].
#[derive(Clone, Copy)]
struct Floats<V: Vector, const N: usize>([[V::Float; 2]; N]);

/// The same number of words. Only made inside of [`normals`].
#[derive(Clone, Copy)]
struct Words<V: Vector, const N: usize>([[V::Word; 2]; N]);

/// Applies one instruction to each of the vectors. Uses loops, because closures and functions that take them are not compiled for
/// the instruction set of the caller.
macro_rules! each {
    ($wrap:ident, |$i:ident, $j:ident| $instruction:expr) => {{
        // SAFETY: the wrapped values are only made inside of `normals`, whose caller guarantees the instruction set. Vectors and
        // masks are plain bits, for which all zeros is a valid value; each is overwritten below.
        unsafe {
            let mut all = [[std::mem::zeroed(); 2]; N];
            for $i in 0..N {
                for $j in 0..2 {
                    all[$i][$j] = $instruction;
                }
            }
            $wrap(all)
        }
    }};
}

impl<V: Vector, const N: usize> Add for Floats<V, N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each!(Floats, |i, j| V::add(self.0[i][j], other.0[i][j]))
    }
}

impl<V: Vector, const N: usize> Sub for Floats<V, N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        each!(Floats, |i, j| V::sub(self.0[i][j], other.0[i][j]))
    }
}

impl<V: Vector, const N: usize> Mul for Floats<V, N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each!(Floats, |i, j| V::hold(V::mul(self.0[i][j], other.0[i][j])))
    }
}

impl<V: Vector, const N: usize> Float for Floats<V, N> {
    type Word = Words<V, N>;
    #[inline(always)]
    fn of(x: f32) -> Self {
        each!(Floats, |i, j| V::float(x))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        each!(Floats, |i, j| V::sqrt(self.0[i][j]))
    }
    #[inline(always)]
    fn bits(self) -> Words<V, N> {
        each!(Words, |i, j| V::bits(self.0[i][j]))
    }
    #[inline(always)]
    fn select(mask: [[V::Mask; 2]; N], yes: Self, no: Self) -> Self {
        each!(Floats, |i, j| V::select(mask[i][j], yes.0[i][j], no.0[i][j]))
    }
}

impl<V: Vector, const N: usize> Word for Words<V, N> {
    type Float = Floats<V, N>;
    type Mask = [[V::Mask; 2]; N];
    #[inline(always)]
    fn plus(self, constant: u32) -> Self {
        each!(Words, |i, j| V::plus(self.0[i][j], V::word(constant)))
    }
    #[inline(always)]
    fn and(self, constant: u32) -> Self {
        each!(Words, |i, j| V::and(self.0[i][j], V::word(constant)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        each!(Words, |i, j| V::xor(self.0[i][j], other.0[i][j]))
    }
    #[inline(always)]
    fn left<const BITS: u32>(self) -> Self {
        each!(Words, |i, j| V::left(self.0[i][j], BITS))
    }
    #[inline(always)]
    fn complement(self, mask: [[V::Mask; 2]; N]) -> Self {
        each!(Words, |i, j| V::complement(self.0[i][j], mask[i][j]))
    }
    #[inline(always)]
    fn exponent(self) -> Floats<V, N> {
        each!(Floats, |i, j| V::exponent(self.0[i][j]))
    }
    #[inline(always)]
    fn unsigned_to_float(self) -> Floats<V, N> {
        each!(Floats, |i, j| V::unsigned_to_float(self.0[i][j]))
    }
    #[inline(always)]
    fn signed_to_float(self) -> Floats<V, N> {
        each!(Floats, |i, j| V::signed_to_float(self.0[i][j]))
    }
    #[inline(always)]
    fn as_bits(self) -> Floats<V, N> {
        each!(Floats, |i, j| V::as_bits(self.0[i][j]))
    }
    #[inline(always)]
    fn at_least(self, constant: u32) -> [[V::Mask; 2]; N] {
        each!(same, |i, j| V::at_least(self.0[i][j], V::word(constant)))
    }
    #[inline(always)]
    fn has(self, bit: u32) -> [[V::Mask; 2]; N] {
        each!(same, |i, j| V::has(self.0[i][j], V::word(bit)))
    }
}

#[inline(always)]
fn same<T>(x: T) -> T {
    x
}
