//! Quadrature: expectations under a standard normal.

use super::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// The most points of a product rule: more than this is a mistake, not a plan.
const LARGEST_GRID: usize = 1 << 20;

/// Points and weights with Σ wₖ f(xₖ) = E\[f(ε)\], ε ~ N(0, 1), exact for polynomials of degree 2n − 1.
///
/// By Golub and Welsch (1969): the points are the eigenvalues of the Jacobi matrix of the probabilists' Hermite
/// polynomials (zero diagonal, √k beside it), the weights the squares of the eigenvectors' first elements.
///
/// # Errors
/// When `points` is zero.
pub fn gauss_hermite(points: usize) -> Result<Vec<(f64, f64)>> {
    if points == 0 {
        return Err(Error::config("Gauss-Hermite quadrature needs at least one point"));
    }
    let mut jacobi = Matrix::zeros(points, points);
    for k in 1..points {
        jacobi[(k - 1, k)] = (k as f64).sqrt();
        jacobi[(k, k - 1)] = (k as f64).sqrt();
    }
    let eigen = jacobi.symmetric_eigen();
    let mut rule: Vec<(f64, f64)> =
        eigen.eigenvalues.iter().zip(eigen.eigenvectors.row(0).iter()).map(|(x, v)| (*x, v * v)).collect();
    rule.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(rule)
}

/// Points and weights of the trapezoid rule, `per_unit` points in each standard deviation, out to nine of them.
///
/// On a function that is analytic in a strip |Im ε| < c around the real line the error is of order e^{−2πc · per_unit}
/// (Trefethen and Weideman 2014): where poles are near, as a sigmoid's are, few points do what Gauss and Hermite need
/// hundreds for.
pub fn trapezoid(per_unit: u32) -> Vec<(f64, f64)> {
    let reach = 9 * i64::from(per_unit);
    let points = (-reach..=reach).map(|i| i as f64 / f64::from(per_unit));
    let rule: Vec<(f64, f64)> = points.map(|x| (x, (-0.5 * x * x).exp())).collect();
    let total: f64 = rule.iter().map(|(_, w)| w).sum();
    rule.into_iter().map(|(x, w)| (x, w / total)).collect()
}

/// The product rule in `dimension` dimensions: (weight, ε) with ε `[dimension]`, pointsᵈ of them.
///
/// # Errors
/// When there are no points, or more than about a million: take Monte Carlo then.
pub fn gauss_hermite_grid(points: usize, dimension: usize) -> Result<Vec<(f64, Vector)>> {
    let rule = gauss_hermite(points)?;
    let total = u32::try_from(dimension).ok().and_then(|d| points.checked_pow(d)).filter(|n| *n <= LARGEST_GRID);
    let Some(total) = total else {
        return Err(Error::config(format!(
            "{points} points in each of {dimension} dimensions are too many for quadrature: take Monte Carlo or fewer points"
        )));
    };
    let grid = (0..total).map(|mut index| {
        let mut weight = 1.0;
        let noise = Vector::from_fn(dimension, |_, _| {
            let (x, w) = rule[index % points];
            index /= points;
            weight *= w;
            x
        });
        (weight, noise)
    });
    Ok(grid.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E[ε²ᵏ] = (2k − 1)!!, odd moments 0.
    #[test]
    fn moments_of_a_normal() {
        let rule = gauss_hermite(12).unwrap();
        let mut double_factorial = 1.0;
        for k in 0..12 {
            let moment = |power: i32| rule.iter().map(|(x, w)| w * x.powi(power)).sum::<f64>();
            assert!((moment(2 * k) - double_factorial).abs() < 1e-12 * double_factorial, "moment {}", 2 * k);
            assert!(moment(2 * k + 1).abs() < 1e-12 * double_factorial * 100.0);
            double_factorial *= f64::from(2 * k + 1);
        }
    }

    /// E[cos(a + b ε)] = e^{−b²/2} cos a, and a product of independent parts in two dimensions.
    #[test]
    fn a_function_that_is_no_polynomial() {
        let rule = gauss_hermite(32).unwrap();
        let found: f64 = rule.iter().map(|(x, w)| w * (0.3 + 1.5 * x).cos()).sum();
        assert!((found - (-1.125f64).exp() * 0.3f64.cos()).abs() < 1e-13);

        let found: f64 = gauss_hermite_grid(24, 2).unwrap().iter().map(|(w, e)| w * e[0].cos() * (0.5 * e[1]).exp()).sum();
        assert!((found - (-0.5f64).exp() * 0.125f64.exp()).abs() < 1e-12);
    }

    /// E[cos(b ε)] = e^{−b²/2} and E[ε⁴] = 3.
    #[test]
    fn the_trapezoid_rule_on_analytic_functions() {
        let rule = trapezoid(4);
        let mean = |f: fn(f64) -> f64| rule.iter().map(|(x, w)| w * f(*x)).sum::<f64>();
        assert!((mean(|x| (1.5 * x).cos()) - (-1.125f64).exp()).abs() < 1e-14);
        assert!((mean(|x| x.powi(4)) - 3.0).abs() < 1e-13);
    }

    #[test]
    fn senseless_rules_are_errors() {
        assert!(gauss_hermite(0).is_err());
        assert!(gauss_hermite_grid(10, 40).unwrap_err().to_string().contains("Monte Carlo"));
    }
}
