//! Comparisons with f64 over the whole range of f32, and special cases.

use crate::device::cpu::real::Real;
use crate::device::cpu::simd::set::{Avx512, Baseline};

/// The function under test, and the exact one.
type Ours = fn(f32) -> f32;
type Exact = fn(f64) -> f64;

/// The largest error of `ours` in units in the last place of the correctly rounded result. The arguments are `f32`s that are
/// spread evenly in `[low, high]` and, by their bits, over all magnitudes.
fn largest_error(low: f32, high: f32, ours: Ours, exact: Exact) -> f64 {
    let even = (0..300_000).map(|i| low + (high - low) * (i as f32 / 300_000.0));
    let magnitudes = (0..u32::MAX / 9973).map(|i| f32::from_bits(i * 9973)).filter(|x| low <= *x && *x <= high);
    even.chain(magnitudes).map(|x| error(ours(x), exact(x as f64))).fold(0.0, f64::max)
}

fn error(ours: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if ours == rounded || ours.is_nan() && rounded.is_nan() {
        return 0.0;
    }
    let exponent = exact.abs().max(f32::MIN_POSITIVE as f64).log2().floor();
    let error = (ours as f64 - exact).abs() / 2f64.powf(exponent - 23.0);
    if error.is_nan() { f64::INFINITY } else { error }
}

#[test]
fn f32_functions_are_within_two_units_in_the_last_place() {
    let cases: [(&str, f32, f32, Ours, Exact); 8] = [
        ("exp", -200.0, 100.0, Real::exp, f64::exp),
        ("ln", 0.0, f32::MAX, Real::ln, f64::ln),
        ("ln near 1", 0.4, 2.5, Real::ln, f64::ln),
        ("tanh", -20.0, 20.0, Real::tanh, f64::tanh),
        ("erf", -6.0, 6.0, Real::erf, libm::erf),
        ("sin", -1e3, 1e3, Real::sin, f64::sin),
        ("cos", -1e3, 1e3, Real::cos, f64::cos),
        ("sin of large arguments", -1e9, 1e9, Real::sin, f64::sin),
    ];
    for (name, low, high, ours, exact) in cases {
        let largest = largest_error(low, high, ours, exact);
        println!("{name}: {largest:.2} ulp");
        assert!(largest <= 2.0, "{name}: {largest} ulp");
    }
    // Below -88, e^-x is infinite and the result 0.
    let largest = largest_error(-88.0, 120.0, Real::sigmoid, |x| 1.0 / (1.0 + f64::exp(-x)));
    assert!(largest <= 3.0, "sigmoid: {largest} ulp");
    // Every machine can compute a fused multiply-add, in software if necessary.
    for sigmoid in [f32::sigmoid_beside_products::<Baseline>, f32::sigmoid_beside_products::<Avx512>] {
        let largest = largest_error(-87.0, 120.0, sigmoid, |x| 1.0 / (1.0 + f64::exp(-x)));
        assert!(largest <= 3.0, "sigmoid beside products: {largest} ulp");
        assert_eq!([f32::NEG_INFINITY, -1e9, -89.0, 1e9, f32::INFINITY].map(sigmoid), [0.0, 0.0, 0.0, 1.0, 1.0]);
        assert!(sigmoid(f32::NAN).is_nan() && sigmoid(-f32::NAN).is_nan());
    }
}

#[test]
fn powers_are_within_one_unit_in_the_last_place() {
    for p in [2.0, 0.5, -1.0, 1.5, -2.5, 1.0 / 3.0, 4.0, 7.0, -3.0, 0.0, 20.25] {
        for i in 0..100_000u32 {
            let x = f32::from_bits(i * 21_407);
            if !x.is_nan() {
                let exact = (x as f64).powf(p);
                assert!(error(x.powf_of(p), exact) <= 1.0, "{x:e}^{p}: {:e}, not {exact:e}", x.powf_of(p));
                if p != 0.5 {
                    let exact = (-x as f64).powf(p);
                    assert!(error((-x).powf_of(p), exact) <= 1.0, "{:e}^{p}: {:e}, not {exact:e}", -x, (-x).powf_of(p));
                }
            }
        }
    }
}

/// Calls `Real::powf`, which the inherent method of the same name hides.
trait Power {
    fn powf_of(self, p: f64) -> Self;
}
impl Power for f32 {
    fn powf_of(self, p: f64) -> f32 {
        Real::powf(self, p)
    }
}

#[test]
fn edges_are_those_of_the_standard_library() {
    let edges = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, 1e-45, -1e-45, f32::MIN_POSITIVE];
    let functions: [(&str, Ours, Exact); 4] =
        [("exp", Real::exp, f64::exp), ("ln", Real::ln, f64::ln), ("tanh", Real::tanh, f64::tanh), ("erf", Real::erf, libm::erf)];
    for (name, ours, exact) in functions {
        for x in edges {
            let (ours, exact) = (ours(x), exact(x as f64) as f32);
            assert!(error(ours, exact as f64) <= 2.0, "{name}({x:e}): {ours:e}, not {exact:e}");
            assert!(exact != 0.0 || ours.is_sign_negative() == exact.is_sign_negative(), "{name}({x:e}): sign of zero");
        }
    }
    for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        assert!(Real::sin(x).is_nan() && Real::cos(x).is_nan());
    }
    for x in [f32::MAX, 1e20, -3e10] {
        assert!(Real::sin(x).abs() <= 1.0 && Real::cos(x).abs() <= 1.0);
    }
}

#[test]
fn bounds_keep_nan() {
    fn check<E: Real>() {
        let [nan, one, two] = [f64::NAN, 1.0, 2.0].map(E::of);
        assert!([nan.max(one), one.max(nan), nan.min(one), one.min(nan), nan.relu()].iter().all(|x| x.is_nan()));
        assert_eq!([two.max(one), one.max(two), two.min(one), one.min(two)], [two, two, one, one]);
        assert_eq!([two.greater(one), one.greater(one), nan.greater(one)], [1.0, 0.0, 0.0].map(E::of));
    }
    check::<f32>();
    check::<f64>();
}

/// PyTorch's `threshold_backward`, and the gradients of its `maximum`.
#[test]
fn gradients_of_bounds() {
    fn check<E: Real>() {
        let [nan, zero, half, one, two] = [f64::NAN, 0.0, 0.5, 1.0, 2.0].map(E::of);
        assert_eq!([nan, zero, -zero, one, -one].map(|x| x.gate(two)), [two, zero, zero, two, zero]);
        assert_eq!(
            [(two, one), (one, one), (one, two), (nan, one), (one, nan)].map(|(a, b)| a.share(b, one)),
            [one, half, zero, one, one]
        );
    }
    check::<f32>();
    check::<f64>();
}
