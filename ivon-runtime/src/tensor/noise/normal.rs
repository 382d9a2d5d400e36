//! The Box-Muller transform in f32, with only `+ - * /`, `sqrt` and integer operations: the same bits on every machine.
//!
//! Two words u, v give two normals: r cos φ and r sin φ with r = sqrt(-2 ln((u + ½) / 2³²)) and φ = 2π v / 2³². The two top bits
//! of v are the quadrant of φ. The absolute error is below 1e-6.

use super::lanes::{Float, Word};
use std::f32::consts::FRAC_PI_2;

/// 2⁻³²
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// The bits of sqrt(1/2).
const SQRT_HALF: u32 = 0x3f35_04f3;

/// Two independent standard normals from two uniform words.
///
/// The steps of the logarithm and those of the angle alternate, because neither has enough independent operations to use a CPU
/// fully.
#[inline(always)]
pub(super) fn transform<F: Float>(u: F::Word, v: F::Word) -> (F, F) {
    // (u + ½) / 2³² = (1 + m) 2^e with 1 + m in [sqrt(1/2), sqrt(2)): the division only changes the exponent. Above sqrt(1/2) the
    // distance to 1 is computed from the complement of the integer, which is exact.
    let near = u.at_least(0xB504_F400);
    let whole = u.complement(near).unsigned_to_float() + F::of(0.5);
    let shifted = whole.bits().plus((SQRT_HALF + (32 << 23)).wrapping_neg());
    let m = shifted.and(0x007f_ffff).plus(SQRT_HALF).as_bits() - F::of(1.0);
    let (m, e) = (F::select(near, whole * F::of(-UNIT), m), F::select(near, F::of(0.0), shifted.exponent()));
    // The angle within its quadrant, around zero: the low 30 bits of v.
    let x = v.left::<2>().signed_to_float() * F::of(FRAC_PI_2 * UNIT);

    // Cephes' polynomials (Moshier, `logf`, `sinf`, `cosf`) for ln(1 + m), sine and cosine. Those of the logarithm are multiplied
    // by -2, which is exact.
    let l = F::of(-2.0 * 7.037_683_6e-2) * m + F::of(2.0 * 1.151_461e-1);
    let z = x * x;
    let l = l * m - F::of(2.0 * 1.167_699_8e-1);
    let s = F::of(-1.951_529_6e-4) * z + F::of(8.332_161e-3);
    let l = l * m + F::of(2.0 * 1.242_014_1e-1);
    let c = F::of(2.443_315_7e-5) * z - F::of(1.388_731_6e-3);
    let l = l * m - F::of(2.0 * 1.424_932_3e-1);
    let s = s * z - F::of(1.666_665_5e-1);
    let l = l * m + F::of(2.0 * 1.666_805_7e-1);
    let c = c * z + F::of(4.166_664_6e-2);
    let l = l * m - F::of(2.0 * 2.000_071_4e-1);
    let s = s * z * x + x;
    let l = l * m + F::of(2.0 * 2.499_999_4e-1);
    let c = c * z * z - F::of(0.5) * z + F::of(1.0);
    let l = l * m - F::of(2.0 * 3.333_333e-1);

    // Selects one of four combinations of swap and sign, by the quadrant.
    let odd = v.has(1 << 30);
    let (sin, cos) = (F::select(odd, c, s), F::select(odd, s, c));
    let flip = |x: F, sign: F::Word| x.bits().xor(sign.and(1 << 31)).as_bits();
    let (sin, cos) = (flip(sin, v), flip(cos, v.xor(v.left::<1>())));

    // e ln 2 in two parts. The larger part has few bits, so that its product is exact.
    let m2 = m * m;
    let log = (l * m * m2 + e * F::of(2.0 * 2.121_944_4e-4) + m2) - (m + m) - e * F::of(2.0 * 0.693_359_4);
    let r = log.sqrt();
    (r * cos, r * sin)
}

/// Two independent standard normals from two uniform words.
#[inline(always)]
pub fn box_muller(u: u32, v: u32) -> (f32, f32) {
    transform::<f32>(u, v)
}
