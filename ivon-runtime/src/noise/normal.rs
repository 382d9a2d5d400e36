//! The Box-Muller transform in f32, from `+ - * /`, `sqrt` and integer operations alone: the same bits on every machine.
//!
//! Two words u, v give two normals: r cos φ and r sin φ with r = sqrt(-2 ln((u + ½) / 2³²)) and φ = 2π v / 2³², whose quarter
//! turn is v's two top bits. The absolute error is below 1e-6.

use super::lanes::{Float, Word};
use std::f32::consts::FRAC_PI_2;

/// 2⁻³²
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// The bits of sqrt(1/2).
const SQRT_HALF: u32 = 0x3f35_04f3;

/// ln(1 + m) + e ln 2, with Cephes' polynomial for the logarithm (Moshier, `logf`).
#[inline(always)]
fn ln_parts<F: Float>(m: F, e: F) -> F {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_8e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let mut y = F::of(P[0]);
    for c in &P[1..] {
        y = y * m + F::of(*c);
    }
    let z = m * m;
    // ln 2 in two parts, the larger of which is exact in few bits.
    m + (y * m * z + e * F::of(-2.121_944_4e-4) - F::of(0.5) * z) + e * F::of(0.693_359_4)
}

/// ln((u + ½) / 2³²), to a few units in the last place also where the argument is close to 1.
#[inline(always)]
fn ln_uniform<F: Float>(u: F::Word) -> F {
    // Above sqrt(1/2) the distance to 1 comes from the complement of the integer, which loses nothing.
    let near = u.at_least(0xB504_F400);
    let x = u.complement(near).unsigned_to_float() + F::of(0.5);
    // x / 2³² = (1 + m) 2^e with 1 + m in [sqrt(1/2), sqrt(2)): the division is part of the exponent.
    let shifted = x.bits().plus((SQRT_HALF + (32 << 23)).wrapping_neg());
    let m = shifted.and(0x007f_ffff).plus(SQRT_HALF).as_bits() - F::of(1.0);
    ln_parts(F::select(near, x * F::of(-UNIT), m), F::select(near, F::of(0.0), shifted.exponent()))
}

/// (sin, cos) of an angle: the low 30 bits of `v` are a part of a quarter turn around zero, the top two bits choose the quarter.
#[inline(always)]
fn turn<F: Float>(v: F::Word) -> (F, F) {
    let x = v.left::<2>().signed_to_float() * F::of(FRAC_PI_2 * UNIT);
    let z = x * x;
    let s = ((F::of(-1.951_529_6e-4) * z + F::of(8.332_161e-3)) * z - F::of(1.666_665_5e-1)) * z * x + x;
    let c =
        ((F::of(2.443_315_7e-5) * z - F::of(1.388_731_6e-3)) * z + F::of(4.166_664_6e-2)) * z * z - F::of(0.5) * z + F::of(1.0);
    let odd = v.has(1 << 30);
    let (a, b) = (F::select(odd, c, s), F::select(odd, s, c));
    // Each of the four cases of swap and sign is a quarter turn.
    let flip = |x: F, sign: F::Word| x.bits().xor(sign.and(1 << 31)).as_bits();
    (flip(a, v), flip(b, v.xor(v.left::<1>())))
}

/// Two independent standard normals from two uniform words.
#[inline(always)]
pub(super) fn transform<F: Float>(u: F::Word, v: F::Word) -> (F, F) {
    let r = (F::of(-2.0) * ln_uniform(u)).sqrt();
    let (s, c) = turn::<F>(v);
    (r * c, r * s)
}

/// Two independent standard normals from two uniform words.
#[inline(always)]
pub fn box_muller(u: u32, v: u32) -> (f32, f32) {
    transform::<f32>(u, v)
}
