//! The inverse cosine transform, as libjpeg's "islow" (jidctint.c, after Loeffler, Ligtenberg and Moschytz 1989): the same bits.

use super::frame::Block;
use ivon_runtime::versions;

/// Places of the coefficients in zigzag order.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42,
    49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Bits of the fraction of a constant.
const FRACTION: u32 = 13;
/// Bits of the fraction that stay between the passes.
const BETWEEN: u32 = 2;
/// Beyond this a coefficient, or a sum between the passes, is of no image of 8 bits: those have 1024 and 4096, and quantisation adds half a step.
const MOST: u32 = 1 << 14;

type Lanes = [i32; 8];

/// The samples of a block, into 8 rows of 8 that are `stride` apart. False if a coefficient is beyond what 8-bit samples can have.
pub fn block(block: &Block, steps: &[u16; 64], out: &mut [u8], stride: usize) -> bool {
    if block[1..].iter().all(|c| *c == 0) {
        let value = i32::from(block[0]) * i32::from(steps[0]);
        // The two passes of a constant: times 4, then (4 v · 2^13 + 2^17) >> 18.
        let sample = (((value << BETWEEN) + 16) >> 5) + 128;
        (0..8).for_each(|row| out[row * stride..row * stride + 8].fill(sample.clamp(0, 255) as u8));
        return value.unsigned_abs() < MOST;
    }
    let mut values = [[0; 8]; 8];
    let mut most = 0;
    for (k, place) in ZIGZAG.iter().enumerate() {
        let value = i32::from(block[k]) * i32::from(steps[k]);
        most |= value.unsigned_abs();
        values[place / 8][place % 8] = value;
    }
    most < MOST && transform(&mut values, out, stride)
}

versions! {
    fn transform(values: &mut [Lanes; 8], out: &mut [u8], stride: usize) -> bool {
        pass::<{ FRACTION - BETWEEN }>(values);
        let most = values.iter().flatten().fold(0, |most, v| most | v.unsigned_abs());
        if most >= MOST {
            return false;
        }
        transpose(values);
        pass::<{ FRACTION + BETWEEN + 3 }>(values);
        transpose(values);
        for (row, values) in values.iter().enumerate() {
            let out = &mut out[row * stride..row * stride + 8];
            for (out, value) in out.iter_mut().zip(values) {
                *out = (value + 128).clamp(0, 255) as u8;
            }
        }
        true
    }
}

#[inline(always)]
fn transpose(values: &mut [Lanes; 8]) {
    let from = *values;
    for (i, row) in values.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = from[j][i];
        }
    }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> i32) -> Lanes {
    std::array::from_fn(f)
}

/// One pass over 8 columns at once, the results divided by 2^SHIFT.
#[inline(always)]
fn pass<const SHIFT: u32>(v: &mut [Lanes; 8]) {
    let add = |a: &Lanes, b: &Lanes| each(|i| a[i] + b[i]);
    let sub = |a: &Lanes, b: &Lanes| each(|i| a[i] - b[i]);
    let times = |a: &Lanes, factor: i32| each(|i| a[i] * factor);

    let both = times(&add(&v[2], &v[6]), 4433); // 0.541196100
    let t2 = add(&both, &times(&v[6], -15137)); // -1.847759065
    let t3 = add(&both, &times(&v[2], 6270)); // 0.765366865
    let t0 = times(&add(&v[0], &v[4]), 1 << FRACTION);
    let t1 = times(&sub(&v[0], &v[4]), 1 << FRACTION);
    let even = [add(&t0, &t3), add(&t1, &t2), sub(&t1, &t2), sub(&t0, &t3)];

    let z1 = times(&add(&v[7], &v[1]), -7373); // -0.899976223
    let z2 = times(&add(&v[5], &v[3]), -20995); // -2.562915447
    let (z3, z4) = (add(&v[7], &v[3]), add(&v[5], &v[1]));
    let z5 = times(&add(&z3, &z4), 9633); // 1.175875602
    let z3 = add(&times(&z3, -16069), &z5); // -1.961570560
    let z4 = add(&times(&z4, -3196), &z5); // -0.390180644
    let odd = [
        add(&add(&times(&v[1], 12299), &z1), &z4), // 1.501321110
        add(&add(&times(&v[3], 25172), &z2), &z3), // 3.072711026
        add(&add(&times(&v[5], 16819), &z2), &z4), // 2.053119869
        add(&add(&times(&v[7], 2446), &z1), &z3),  // 0.298631336
    ];
    for k in 0..4 {
        v[k] = each(|i| (even[k][i] + odd[k][i] + (1 << (SHIFT - 1))) >> SHIFT);
        v[7 - k] = each(|i| (even[k][i] - odd[k][i] + (1 << (SHIFT - 1))) >> SHIFT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(coefficients: &[(usize, i16)]) -> Option<[u8; 64]> {
        let (mut coded, mut out) = ([0; 64], [0; 64]);
        coefficients.iter().for_each(|(k, value)| coded[*k] = *value);
        block(&coded, &[1; 64], &mut out, 8).then_some(out)
    }

    #[test]
    fn samples_are_those_of_the_transform_itself() {
        use std::f64::consts::{FRAC_1_SQRT_2, PI};
        let coefficients = [(0, 300), (1, -200), (2, 77), (7, 40), (31, -25), (62, 60), (63, -11)];
        let found = samples(&coefficients).unwrap();
        for (place, found) in found.iter().enumerate() {
            let (y, x) = ((place / 8) as f64, (place % 8) as f64);
            let term = |(k, value): &(usize, i16)| {
                let (v, u) = ((ZIGZAG[*k] / 8) as f64, (ZIGZAG[*k] % 8) as f64);
                let scale = |w: f64| if w == 0.0 { FRAC_1_SQRT_2 } else { 1.0 };
                let cosine = |at: f64, w: f64| ((2.0 * at + 1.0) * w * PI / 16.0).cos();
                0.25 * scale(u) * scale(v) * f64::from(*value) * cosine(x, u) * cosine(y, v)
            };
            let expected = (coefficients.iter().map(term).sum::<f64>() + 128.0).clamp(0.0, 255.0);
            assert!((f64::from(*found) - expected).abs() < 0.6, "{place}: {found} for {expected}");
        }
    }

    #[test]
    fn a_constant_block_is_the_same_either_way() {
        for value in -1200..1200 {
            let mut values = [[0; 8]; 8];
            values[0][0] = i32::from(value);
            let mut out = [0; 64];
            assert!(transform(&mut values, &mut out, 8));
            assert_eq!(samples(&[(0, value)]).unwrap(), out);
        }
    }

    #[test]
    fn values_beyond_8_bits_are_noticed() {
        assert!(samples(&[(0, 20_000)]).is_none());
        assert!(samples(&[(0, 10_000), (1, 10_000), (2, 10_000)]).is_none());
        assert!(samples(&[(0, 1016), (1, 1000), (2, -1000), (63, 1000)]).is_some());
    }
}
