//! `f32`: polynomials after a reduction of the argument's range.

use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Instructions, multiply_add};

/// 1.5 · 2²³: adding and subtracting it rounds to an integer, which is then in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts. The first has few bits, so that its products with small integers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn exp(self) -> f32 {
        exp(self)
    }
    #[inline(always)]
    fn ln(self) -> f32 {
        ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn tanh(self) -> f32 {
        tanh(self)
    }
    #[inline(always)]
    fn erf(self) -> f32 {
        erf(self)
    }
    #[inline(always)]
    fn sin(self) -> f32 {
        sin_of_quadrant(self, 0)
    }
    #[inline(always)]
    fn cos(self) -> f32 {
        sin_of_quadrant(self, 1)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    #[inline(always)]
    fn sigmoid_beside_products<Set: Instructions>(self) -> f32 {
        sigmoid_beside_products::<Set>(self)
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> f32 {
        powf(self, p)
    }
}

/// c\[0\] + c\[1\] x + c\[2\] x² + ..
#[inline(always)]
fn polynomial<const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut y = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        y = y * x + c[i];
    }
    y
}

/// 2ⁿ for n in [-126, 127].
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// e^x = 2ⁿ e^r with n = round(x / ln 2) and |r| <= ln 2 / 2.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Outside of this range the result is 0 or infinite. The comparisons are false for NaN, which stays.
    let x = if x < -105.0 { -105.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let p = polynomial(r, [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_199_9e-3, 1.987_569_1e-4]);
    let y = p * (r * r) + r + 1.0;
    // The power of two is multiplied in two halves, so that rounding produces subnormal and infinite results.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32).clamp(-152, 129);
    y * power_of_two(n >> 1) * power_of_two(n - (n >> 1))
}

/// 1 / (1 + e^t) with t = -x and e^t as above; e^t stays in the normal range here.
#[inline(always)]
fn sigmoid_beside_products<Set: Instructions>(x: f32) -> f32 {
    // For t < -80, e^t does not change the sum; for t > 88 the result is 0. The comparisons are false for NaN, which stays.
    let t = if x > 80.0 { -80.0 } else { -x };
    let t = if t > 88.0 { 88.0 } else { t };
    let shifted = multiply_add::<Set, f32>(t, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<Set, f32>(n, -LN_2[1], multiply_add::<Set, f32>(n, -LN_2[0], t));
    let mut y = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0] {
        y = multiply_add::<Set, f32>(y, r, c);
    }
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let s = 1.0 / multiply_add::<Set, f32>(y, power_of_two(n), 1.0);
    if x < -88.0 { 0.0 } else { s }
}

/// ln x = ln(1 + m) + e ln 2 with 1 + m in [sqrt(1/2), sqrt(2)).
#[inline(always)]
fn ln(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let (scaled, less) = if subnormal { (x * 8_388_608.0, 23.0) } else { (x, 0.0) };
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = scaled.to_bits().wrapping_sub(SQRT_HALF);
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    let e = (shifted as i32 >> 23) as f32 - less;
    let p = polynomial(
        m,
        [
            3.333_333e-1,
            -2.499_999_4e-1,
            2.000_071_4e-1,
            -1.666_805_7e-1,
            1.424_932_3e-1,
            -1.242_014_1e-1,
            1.167_699_8e-1,
            -1.151_461e-1,
            7.037_683_6e-2,
        ],
    );
    let z = m * m;
    let y = p * m * z + e * LN_2[1] - 0.5 * z;
    let y = m + y + e * LN_2[0];
    // Special cases: ln of 0, of negative numbers and NaN, and of infinity.
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x >= 0.0 { y } else { f32::NAN };
    if x == 0.0 { f32::NEG_INFINITY } else { y }
}

/// tanh x = x + x³ P(x²) near 0, else 1 - 2 / (e^2|x| + 1).
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let (a, z) = (x.abs(), x * x);
    let p = polynomial(z, [-3.333_328e-1, 1.333_144_2e-1, -5.373_971_6e-2, 2.063_909e-2, -5.704_988_7e-3]);
    let near = x + x * z * p;
    let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    (if a < 0.625 { near } else { far }).copysign(x)
}

/// erf x = x + x P(x²) near 0, else 1 - e^(-t - t Q(t)) with t = |x|. Both polynomials minimise the maximum error.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = x.abs();
    let t = if t > 4.0 { 4.0 } else { t };
    let p = polynomial(
        x * x,
        [1.283_791_7e-1, -3.761_263_2e-1, 1.128_368_6e-1, -2.685_885_1e-2, 5.199_6e-3, -8.125_806e-4, 8.296_61e-5],
    );
    let near = x + x * p;
    let q = polynomial(
        t,
        [
            1.285_643_6e-1,
            6.355_670_7e-1,
            1.053_753_1e-1,
            -2.279_247_9e-2,
            3.003_069_7e-3,
            -7.591_134_6e-5,
            -4.042_598_8e-5,
            4.515_885e-6,
        ],
    );
    let far = (1.0 - exp(-t - t * q)).copysign(x);
    if t < 0.9375 { near } else { far }
}

/// sin(x + quadrant · π/2). The reduction in f64 is exact up to |x| = 2³⁰, where neighbouring f32 are 64 apart. Beyond that, the
/// result is only guaranteed to lie between -1 and 1.
#[inline(always)]
fn sin_of_quadrant(x: f32, quadrant: u32) -> f32 {
    /// 1.5 · 2⁵².
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// π/2 in three parts. The first two have 23 bits, so that their products with n are exact.
    const HALF_PI: [f64; 3] =
        [f64::from_bits(0x3FF9_21FB_4000_0000), f64::from_bits(0x3E74_442D_0000_0000), f64::from_bits(0x3CF8_4698_98CC_5170)];
    let wide = x as f64;
    let shifted = wide * std::f64::consts::FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let r = (wide - n * HALF_PI[0] - n * HALF_PI[1] - n * HALF_PI[2]) as f32;
    let r = if r > 1.0 { 1.0 } else { r };
    let r = if r < -1.0 { -1.0 } else { r };
    let quadrant = (shifted.to_bits() as u32).wrapping_add(quadrant);
    let z = r * r;
    let sin = polynomial(z, [-1.666_665_5e-1, 8.332_161e-3, -1.951_529_6e-4]) * (z * r) + r;
    let cos = polynomial(z, [4.166_664_6e-2, -1.388_731_6e-3, 2.443_315_7e-5]) * (z * z) - 0.5 * z + 1.0;
    let y = if quadrant & 1 == 0 { sin } else { cos };
    f32::from_bits(y.to_bits() ^ ((quadrant & 2) << 30))
}

/// x^p: small integer powers by multiplication, others as e^(p ln |x|) in f64.
#[inline(always)]
fn powf(x: f32, p: f64) -> f32 {
    if p == 2.0 {
        x * x
    } else if p == 3.0 {
        x * x * x
    } else if p == 0.5 {
        f32::sqrt(x)
    } else if p == -0.5 {
        1.0 / f32::sqrt(x)
    } else if p == 1.0 {
        x
    } else if p == -1.0 {
        1.0 / x
    } else if p == 0.0 {
        1.0
    } else {
        power(x, p)
    }
}

#[inline(always)]
fn power(x: f32, p: f64) -> f32 {
    // ln |x| = e ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), |s| <= 0.172. The series up to s¹³ has an error of 2e-13.
    const SQRT_HALF: u64 = 0x3FE6_A09E_0000_0000;
    let bits = (x.abs() as f64).to_bits().wrapping_sub(SQRT_HALF);
    let m = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF).wrapping_add(SQRT_HALF));
    let e = ((bits as i64) >> 52) as i32 as f64;
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut series = 0.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series * z + 1.0 / odd;
    }
    let y = p * (e * std::f64::consts::LN_2 + 2.0 * s * series);
    // e^y = 2ⁿ e^r. The series up to r¹⁰ has an error of 3e-13.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let y = if y > 200.0 { 200.0 } else { y };
    let y = if y < -200.0 { -200.0 } else { y };
    let shifted = y * std::f64::consts::LOG2_E + ROUND;
    let r = y - (shifted - ROUND) * std::f64::consts::LN_2;
    let mut series = 1.0;
    for k in [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        series = series * r * (1.0 / k) + 1.0;
    }
    let n = (shifted.to_bits() as i32).clamp(-300, 300);
    let magnitude = (series * f64::from_bits(((n + 1023) as u64) << 52)) as f32;
    // Special cases: |x| is 0 or infinite, and negative bases.
    let edge = if (x == 0.0) == (p > 0.0) { 0.0 } else { f32::INFINITY };
    let magnitude = if x == 0.0 || x.abs() == f32::INFINITY { edge } else { magnitude };
    let (whole, odd) = (p == p.trunc(), p.rem_euclid(2.0) == 1.0);
    let negative = if !whole && x.abs() != f32::INFINITY && x != 0.0 {
        f32::NAN
    } else if odd {
        -magnitude
    } else {
        magnitude
    };
    let y = if x.is_sign_negative() { negative } else { magnitude };
    let y = if p.is_nan() { f32::NAN } else { y };
    if x.is_nan() { x } else { y }
}
