//! The Box-Muller transform in f32, from `+ - * /`, `sqrt` and integer operations alone: the same bits on every machine.
//!
//! Two words u, v give two normals: r cos φ and r sin φ with r = sqrt(-2 ln((u + ½) / 2³²)) and φ = 2π v / 2³², whose quarter
//! turn is v's two top bits. The absolute error is below 1e-6.

use std::f32::consts::FRAC_PI_2;

/// 2⁻³²
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// x = (1 + m) 2^e with 1 + m in [sqrt(1/2), sqrt(2)), for a positive normal number.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF);
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(SQRT_HALF));
    (m - 1.0, (shifted as i32 >> 23) as f32)
}

/// ln(1 + m) + e ln 2, with Cephes' polynomial for the logarithm (Moshier, `logf`).
#[inline(always)]
fn ln_parts(m: f32, e: f32) -> f32 {
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
    let mut y = P[0];
    for c in &P[1..] {
        y = y * m + c;
    }
    let z = m * m;
    // ln 2 in two parts, the larger of which is exact in few bits.
    m + (y * m * z + e * -2.121_944_4e-4 - 0.5 * z) + e * 0.693_359_4
}

/// ln((u + ½) / 2³²), to a few units in the last place also where the argument is close to 1.
#[inline(always)]
fn ln_uniform(u: u32) -> f32 {
    let (m, e) = split((u as f32 + 0.5) * UNIT);
    // Above sqrt(1/2) the distance to 1 comes from the complement of the integer, which loses nothing.
    let near = u >= 0xB504_F400;
    let rest = (!u as f32 + 0.5) * -UNIT;
    ln_parts(if near { rest } else { m }, if near { 0.0 } else { e })
}

/// (sin, cos) of an angle: the low 30 bits of `v` are a part of a quarter turn around zero, the top two bits choose the quarter.
#[inline(always)]
fn turn(v: u32) -> (f32, f32) {
    let x = ((v << 2) as i32) as f32 * (FRAC_PI_2 * UNIT);
    let z = x * x;
    let s = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * x + x;
    let c = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (a, b) = if v & (1 << 30) == 0 { (s, c) } else { (c, s) };
    // Each of the four cases of swap and sign is a quarter turn.
    let flip = |x: f32, bit: u32| f32::from_bits(x.to_bits() ^ (bit << 31));
    (flip(a, v >> 31), flip(b, (v >> 31) ^ (v >> 30 & 1)))
}

/// Two independent standard normals from two uniform words.
#[inline(always)]
pub fn box_muller(u: u32, v: u32) -> (f32, f32) {
    let r = (-2.0 * ln_uniform(u)).sqrt();
    let (s, c) = turn(v);
    (r * c, r * s)
}
