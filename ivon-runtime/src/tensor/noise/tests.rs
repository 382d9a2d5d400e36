#![allow(clippy::needless_range_loop)] // an index means the same in several arrays

use super::*;
use std::f64::consts::{FRAC_PI_2, SQRT_2};

#[test]
fn philox_gives_the_known_answers_of_random123() {
    let pi = ([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]);
    assert_eq!(philox([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    assert_eq!(philox(pi.0, pi.1), [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
}

#[test]
fn sixteen_lanes_give_what_one_lane_gives() {
    // Includes block numbers that need the high word, and the carry into it.
    for group in [0, 1, 77, (1 << 28) - 1, 1 << 28, 0x0123_4567_89ab_cdef] {
        let words = philox_16([7, 9], [3, 4], group);
        for l in 0..LANES {
            let block = group * 16 + l as u64;
            let expected = philox([7, 9], [block as u32, (block >> 32) as u32, 3, 4]);
            assert_eq!([words[0][l], words[1][l], words[2][l], words[3][l]], expected, "group {group} lane {l}");
        }
    }
}

#[test]
fn elements_lie_as_documented() {
    let noise = Noise::of(0x1234_5678_9abc_def0, 5, 2);
    let mut words = [0; 200];
    noise.fill_words(0, &mut words);
    for (element, word) in words.iter().enumerate() {
        let (g, w, l) = (element / 64, element / 16 % 4, element % 16);
        assert_eq!(*word, philox([0x9abc_def0, 0x1234_5678], [(16 * g + l) as u32, 0, 5, 2])[w]);
    }
    let mut normals = [0.0; 200];
    noise.fill_normals(0, &mut normals);
    for element in 0..192 {
        let first = element / 32 * 32 + element % 16; // of the pair
        let (a, b) = box_muller(words[first], words[first + 16]);
        assert_eq!(normals[element], if element % 32 < 16 { a } else { b });
    }
}

#[test]
fn normals_are_those_of_the_words_in_every_group() {
    // Includes block numbers that need the high word, and the carry into it. Words and normals come from different code.
    for group in [0, 1, (1 << 28) - 1, 1 << 28, 0x0123_4567_89ab_cdef] {
        let (noise, start) = (Noise { key: [7, 9], upper: [3, 4] }, 64u64.wrapping_mul(group) & (u64::MAX >> 1));
        let (mut words, mut normals) = ([0; 320], [0.0; 320]);
        noise.fill_words(start, &mut words);
        noise.fill_normals(start, &mut normals);
        for first in (0..320).filter(|i| i % 32 < 16) {
            let (a, b) = box_muller(words[first], words[first + 16]);
            assert_eq!(
                [normals[first].to_bits(), normals[first + 16].to_bits()],
                [a.to_bits(), b.to_bits()],
                "group {group}, {first}"
            );
        }
    }
}

#[test]
fn the_documented_normals_are_drawn() {
    for (element, expected) in VECTORS {
        let mut found = [0.0];
        Noise::of(1, 1, 0).fill_normals(element, &mut found);
        assert!((found[0] as f64 - expected).abs() < 1e-6, "element {element} is {}, not {expected}", found[0]);
    }
}

#[test]
fn a_range_gives_the_same_bits_however_it_is_cut() {
    let noise = Noise::of(42, 1, 0);
    let mut whole = [0.0; 1000];
    noise.fill_normals(0, &mut whole);
    for (start, length) in [(0, 1), (1, 63), (63, 2), (64, 64), (100, 700), (999, 1), (5, 0), (17, 983)] {
        let mut part = vec![0.0; length];
        noise.fill_normals(start as u64, &mut part);
        assert_eq!(part, whole[start..start + length], "{length} elements from {start}");
    }
}

/// Box-Muller in f64, after the definition in the module's documentation.
fn exact(u: u32, v: u32) -> (f64, f64) {
    let unit = (-32f64).exp2();
    let r = (-2.0 * ((u as f64 + 0.5) * unit).ln()).sqrt();
    let angle = FRAC_PI_2 * ((v >> 30) as f64 + ((v << 2) as i32) as f64 * unit);
    (r * angle.cos(), r * angle.sin())
}

#[test]
fn normals_are_within_1e_6_of_exact_ones() {
    let random = (0..50_000).map(|i| philox([1, 2], [i, 0, 0, 0])).flat_map(|w| [(w[0], w[1]), (w[2], w[3])]);
    let edges = (0..1000u32).flat_map(|i| [(i, i * 77_777), (u32::MAX - i, i * 77_777), (0xB504_F400 - 500 + i, i << 22)]);
    for (u, v) in random.chain(edges) {
        let ((a, b), (c, d)) = (box_muller(u, v), exact(u, v));
        let error = (a as f64 - c).abs().max((b as f64 - d).abs());
        assert!(error < 1e-6, "{u} and {v}: {a} {b} where {c} {d} is exact");
    }
}

/// Ten million draws of one stream.
fn draws() -> Vec<f32> {
    let mut draws = vec![0.0; 10_000_000];
    Noise::of(2026, 3, 1).fill_normals(11, &mut draws);
    draws
}

#[test]
fn moments_and_distribution_of_ten_million_draws_are_those_of_a_normal() {
    let mut draws = draws();
    let n = draws.len() as f64;
    // Moments 1 to 6 of N(0, 1), and the variance of x^p: E x^2p - (E x^p)^2.
    for (p, expected, variance) in
        [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (5, 0.0, 945.0), (6, 15.0, 10_170.0)]
    {
        let moment = draws.iter().map(|x| (*x as f64).powi(p)).sum::<f64>() / n;
        let z = (moment - expected) / (variance / n).sqrt();
        assert!(z.abs() < 4.0, "moment {p} is {moment}, {z} standard errors from {expected}");
    }
    // Checks that neighbours, the two normals of a Box-Muller pair, and their squares are uncorrelated.
    for (name, distance, power, variance) in [("neighbours", 1, 1, 1.0), ("pairs", 16, 1, 1.0), ("squares", 16, 2, 4.0)] {
        let centred = |x: f32| (x as f64).powi(power) - if power == 2 { 1.0 } else { 0.0 };
        let sum: f64 = draws.iter().zip(&draws[distance..]).map(|(a, b)| centred(*a) * centred(*b)).sum();
        let z = sum / (n * variance).sqrt();
        assert!(z.abs() < 4.0, "{name}: correlation is {z} standard errors from 0");
    }
    // Kolmogorov-Smirnov: sqrt(n) D exceeds 1.95 once in a thousand times.
    draws.sort_unstable_by(f32::total_cmp);
    let mut distance = 0.0f64;
    for (i, x) in draws.iter().enumerate().step_by(16) {
        let expected = 0.5 * erfc(-*x as f64 / SQRT_2);
        distance = distance.max((expected - i as f64 / n).abs());
    }
    assert!(distance * n.sqrt() < 1.95, "the distribution functions differ by {distance}");
}

/// The complementary error function, by its series and its continued fraction (Abramowitz and Stegun 7.1.5, 7.1.14).
fn erfc(x: f64) -> f64 {
    if x.abs() < 2.0 {
        let (mut term, mut sum) = (x, x);
        for k in 1..60 {
            term *= -x * x / k as f64;
            sum += term / (2 * k + 1) as f64;
        }
        return 1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let a = x.abs();
    let fraction = (1..60).rev().fold(a, |f, k| a + k as f64 / 2.0 / f);
    let tail = (-a * a).exp() / fraction / std::f64::consts::PI.sqrt();
    if x > 0.0 { tail } else { 2.0 - tail }
}

/// The table in the module's documentation: elements and normals for seed 1, step 1, sample 0, computed in f64 by another
/// program.
const VECTORS: [(u64, f64); 7] = [
    (0, -0.165_047_688_553),
    (1, -0.643_131_505_453),
    (16, 2.676_448_143_544),
    (32, 0.754_895_440_853),
    (48, 1.559_853_626_291),
    (64, -0.813_375_235_263),
    (1_000_000, -0.740_057_039_093),
];
