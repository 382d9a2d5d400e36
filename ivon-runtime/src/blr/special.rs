//! Gamma functions in f64: `ln Γ` (from `libm`), `ψ = (ln Γ)'` and `ψ' = (ln Γ)''`.
//!
//! ψ and ψ' go up by their recurrence to x ≥ 12 and then use the asymptotic series in Bernoulli numbers, Abramowitz and
//! Stegun 6.3.18 and 6.4.11; the first term left out is below 1e-16 there.

/// Bernoulli numbers B₂, B₄, … B₁₆.
const BERNOULLI: [f64; 8] =
    [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0, 7.0 / 6.0, -3617.0 / 510.0];

/// From here on the series is exact to rounding.
const LARGE: f64 = 12.0;

/// `ln Γ(x)`, x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `ψ(x) = d/dx ln Γ(x)`, x > 0; NaN elsewhere.
///
/// ψ(x) = ψ(x + 1) − 1/x;  ψ(x) ~ ln x − 1/(2x) − Σₖ B₂ₖ / (2k x²ᵏ).
pub fn digamma(mut x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let mut sum = 0.0;
    while x < LARGE {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let inverse_square = 1.0 / (x * x);
    let mut power = 1.0;
    let mut series = 0.0;
    for (k, b) in BERNOULLI.iter().enumerate() {
        power *= inverse_square;
        series += b / (2 * (k + 1)) as f64 * power;
    }
    sum + x.ln() - 0.5 / x - series
}

/// `ψ'(x)`, x > 0; NaN elsewhere.
///
/// ψ'(x) = ψ'(x + 1) + 1/x²;  ψ'(x) ~ 1/x + 1/(2x²) + Σₖ B₂ₖ / x²ᵏ⁺¹.
pub fn trigamma(mut x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let mut sum = 0.0;
    while x < LARGE {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse_square = 1.0 / (x * x);
    let mut power = 1.0 / x;
    let mut series = 0.0;
    for b in BERNOULLI {
        power *= inverse_square;
        series += b * power;
    }
    sum + 1.0 / x + 0.5 * inverse_square + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{LN_2, PI};

    const EULER: f64 = 0.577_215_664_901_532_9;

    /// Values with closed forms (DLMF 5.4, 5.15).
    #[test]
    fn closed_forms() {
        for (found, known) in [
            (digamma(1.0), -EULER),
            (digamma(0.5), -EULER - 2.0 * LN_2),
            (digamma(0.25), -EULER - PI / 2.0 - 3.0 * LN_2),
            (digamma(5.0), 25.0 / 12.0 - EULER),
            (trigamma(1.0), PI * PI / 6.0),
            (trigamma(0.5), PI * PI / 2.0),
            (trigamma(3.0), PI * PI / 6.0 - 1.25),
            (ln_gamma(0.5), PI.sqrt().ln()),
            (ln_gamma(6.0), 120f64.ln()),
        ] {
            assert!((found - known).abs() < 2e-14 * known.abs().max(1.0), "{found} is not {known}");
        }
    }

    /// ψ is the slope of ln Γ and ψ' the slope of ψ, on both sides of the switch to the series.
    #[test]
    fn derivatives() {
        let step = 1e-5;
        for x in [0.3, 2.0, 7.7, 11.999, 12.001, 40.0] {
            let slope = |f: fn(f64) -> f64| (f(x + step) - f(x - step)) / (2.0 * step);
            assert!((slope(ln_gamma) / digamma(x) - 1.0).abs() < 1e-8);
            assert!((slope(digamma) / trigamma(x) - 1.0).abs() < 1e-8);
        }
    }

    #[test]
    fn outside_the_domain_is_nan() {
        assert!(digamma(0.0).is_nan() && trigamma(-1.0).is_nan() && digamma(f64::NAN).is_nan());
    }
}
