//! IVON against the truth.

use super::super::*;
use super::*;

/// Runs IVON on the whole data: `steps` at a constant rate, then as many with the rate falling to nothing, so that the last
/// mean carries little noise; returns mean and sigma².
fn ivon(loss: &dyn Loss, h0: f64, decay: f64, samples: u32, steps: u32) -> (Vector, Vector) {
    let ess = loss.examples() as f64;
    let mut descent = Descent {
        weight_decay: decay,
        hessian_rate: 0.02,
        expectation: Expectation::MonteCarlo { samples, seed: 8 },
        rescale: None,
        ..Descent::ivon(Vector::zeros(loss.dimension()), h0, 0.1, ess)
    };
    for t in 0..2 * steps {
        let left = (f64::from(2 * steps - t) / f64::from(steps)).min(1.0);
        descent.rate = 0.1 * left;
        descent.hessian_rate = 0.02 * left.max(0.01);
        descent.step(loss).unwrap();
    }
    let variance = descent.precision().diagonal().map(|s| 1.0 / s);
    (descent.mean, variance)
}

/// Linear regression: the best diagonal Gaussian has the exact posterior's mean and the reciprocal of the diagonal of its
/// precision (not the diagonal of its covariance, which is larger).
#[test]
fn linear_regression_reaches_the_best_diagonal_gaussian() {
    let (n, d, variance, decay) = (100, 4, 0.5f64, 0.01);
    // Correlated columns, so that mean field is no accident.
    let mix = matrix(4, &[1.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 1.5, 0.4, 0.3, 0.0, 0.0, 0.7]);
    let x = inputs(31, n, d) * mix;
    let y = &x * vector(&[0.5, -1.0, 0.3, 2.0]) + normals(32, n) * variance.sqrt();
    let precision = x.tr_mul(&x) / variance + Matrix::identity(d, d) * (n as f64 * decay);
    let mean = precision.clone().cholesky().unwrap().solve(&(x.tr_mul(&y) / variance));
    let loss = LinearRegression::new(x, y, variance).unwrap();

    // Exact: the rule over diagonal Gaussians ends there to rounding.
    let h = Precision::Diagonal(Vector::from_element(d, 1.0));
    let mut exact = Descent { ess: n as f64, weight_decay: decay, ..Descent::exact(Vector::zeros(d), h, 0.3) };
    for _ in 0..1000 {
        exact.step(&loss).unwrap();
    }
    assert_close(&exact.mean, &mean, 1e-10);
    assert_close(&exact.precision().diagonal(), &precision.diagonal(), 1e-10);

    // IVON: gradients at samples only. The mean to a tenth of its deviation, the variances to five per cent.
    let (found, sigma2) = ivon(&loss, 1.0, decay, 8, 2000);
    for i in 0..d {
        let best = 1.0 / precision[(i, i)];
        assert!((found[i] - mean[i]).abs() < 0.1 * best.sqrt(), "mean {i}: {} against {}", found[i], mean[i]);
        assert!((sigma2[i] / best - 1.0).abs() < 0.05, "sigma² {i}: {} against {best}", sigma2[i]);
    }
    // And that is not the diagonal of the posterior's covariance.
    let marginal = precision.clone().try_inverse().unwrap();
    assert!(marginal[(1, 1)] * precision[(1, 1)] > 1.2);
}

/// Logistic regression: the optimum by the rule with exact expectations, confirmed by the slope of the bound with an
/// independent two-dimensional quadrature; IVON comes to it.
#[test]
fn logistic_regression_reaches_the_optimum() {
    let (n, decay) = (60, 0.02);
    let x = inputs(41, n, 2) * matrix(2, &[1.0, 0.6, 0.0, 0.8]);
    let y = (&x * vector(&[1.5, -1.0]) + normals(42, n)).map(|f| f64::from(f > 0.0));
    let loss = LogisticRegression::new(x, y).unwrap();
    let ess = n as f64;

    let h = Precision::Diagonal(Vector::from_element(2, 0.2));
    let mut exact = Descent { ess, weight_decay: decay, ..Descent::exact(Vector::zeros(2), h, 0.2) };
    for _ in 0..500 {
        exact.step(&loss).unwrap();
    }
    let best = DiagonalGaussian::new(exact.mean.clone(), exact.precision().diagonal()).unwrap();
    let prior = DiagonalGaussian::new(Vector::zeros(2), Vector::from_element(2, ess * decay)).unwrap();
    let bound = |natural: &Vector| {
        let q = best.with_natural(natural).unwrap();
        let grid = Expectation::GaussHermite { points: 24 };
        ess * grid.of(&loss, &q, Curvature::Hessian, 1).unwrap().value + divergence(&q, &prior)
    };
    let tilt = slope(bound, &best.natural(), 1e-4);
    assert!(tilt.amax() < 1e-6, "the bound has a slope {tilt} at what should be its optimum");

    let (found, sigma2) = ivon(&loss, 0.2, decay, 8, 2000);
    for i in 0..2 {
        let deviation = 1.0 / best.precision()[i].sqrt();
        assert!((found[i] - exact.mean[i]).abs() < 0.1 * deviation, "mean {i}: {} against {}", found[i], exact.mean[i]);
        assert!((sigma2[i] * best.precision()[i] - 1.0).abs() < 0.05, "sigma² {i} is off by {}", sigma2[i] * best.precision()[i]);
    }
}

/// A loss that is concave around the start, ½ (θ² − 1)² / 2 at zero: Price's estimates are negative there. Without the
/// correction h + δ goes below zero and there is no posterior; with it, h + δ is at least half of what it was, at every
/// step: s (1 + u + u²/2) ≥ s/2.
#[test]
fn the_correction_keeps_the_precision_positive() {
    let loss = Quartic { fourth: vector(&[0.25]), third: vector(&[0.0]), second: vector(&[-0.5]), cross: 0.0 };
    let make = |correction| Descent {
        correction,
        hessian_rate: 0.5,
        weight_decay: 0.01,
        rescale: None,
        ..Descent::ivon(Vector::zeros(1), 0.5, 0.05, 20.0)
    };

    let mut plain = make(false);
    let error = (0..50).find_map(|_| plain.step(&loss).err()).expect("the plain update should fail here");
    assert!(error.to_string().contains("h + δ of parameter 0 is -"), "{error}");

    let mut corrected = make(true);
    for _ in 0..500 {
        let before = corrected.precision()[(0, 0)];
        corrected.step(&loss).unwrap();
        let after = corrected.precision()[(0, 0)];
        assert!(after >= 0.5 * before * (1.0 - 1e-12) && after > 0.0, "{before} became {after}");
    }
}
