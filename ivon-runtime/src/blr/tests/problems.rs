//! The losses: derivatives against differences, expectations against integration that knows nothing of them.

use super::super::*;
use super::*;

fn laws(loss: &dyn Loss) {
    let d = loss.dimension();
    let theta = normals(51, d) * 0.7;
    assert_close(&slope(|t| loss.value(t), &theta, 1e-5), &loss.gradient(&theta), 1e-8);
    assert_matrix(&jacobian(|t| loss.gradient(t), &theta, 1e-5), &loss.hessian(&theta), 1e-8);
    let n = loss.examples();
    let mean = (0..n).map(|i| loss.example_gradient(i, &theta)).sum::<Vector>() / n as f64;
    assert_close(&mean, &loss.gradient(&theta), 1e-12);

    let root = Matrix::from_fn(d, d, |i, j| if i == j { 0.5 } else { 0.1 * (i as f64 - j as f64) });
    let q = FullGaussian::from_covariance(theta, &root * root.transpose()).unwrap();
    let known = Expectation::Exact.of(loss, &q, Curvature::Hessian, 1).unwrap();
    let found = Expectation::GaussHermite { points: 40 }.of(loss, &q, Curvature::Hessian, 1).unwrap();
    assert_number(found.value, known.value, 1e-10);
    assert_close(&found.gradient, &known.gradient, 1e-10);
    assert_matrix(&found.hessian, &known.hessian, 1e-10);
}

#[test]
fn linear_regression() {
    laws(&LinearRegression::new(inputs(52, 9, 2), normals(53, 9), 0.4).unwrap());
    // One example, y = 1 at xᵀθ = 0: −log N(1 | 0, σ²).
    let one = LinearRegression::new(matrix(1, &[1.0]), vector(&[1.0]), 0.5).unwrap();
    assert_number(one.value(&vector(&[0.0])), 1.0 + 0.5 * std::f64::consts::PI.ln(), 1e-14);
}

#[test]
fn logistic_regression() {
    let y = normals(55, 9).map(|e| f64::from(e > 0.0));
    let loss = LogisticRegression::new(inputs(54, 9, 2), y).unwrap();
    laws(&loss);
    assert_number(loss.value(&vector(&[0.0, 0.0])), 2.0f64.ln(), 1e-14);
    // Far out, log(1 + e^f) is f.
    let one = LogisticRegression::new(matrix(1, &[1.0]), vector(&[0.0])).unwrap();
    assert_number(one.value(&vector(&[900.0])), 900.0, 1e-14);
}

/// Its own quadrature against a grid sixteen times as fine, up to a logit with deviation 3.
#[test]
fn expected_logistic_loss() {
    let loss = LogisticRegression::new(matrix(1, &[1.0]), vector(&[1.0])).unwrap();
    for (mean, deviation) in [(0.0, 0.5), (1.0, 1.0), (-2.0, 2.0), (0.5, 3.0)] {
        let known = loss.expected(&vector(&[mean]), &matrix(1, &[deviation * deviation])).unwrap();
        let (mut value, mut gradient, mut hessian) = (0.0, 0.0, 0.0);
        let width = 1.0 / 64.0;
        for i in -640..=640 {
            let e = f64::from(i) * width;
            let weight = width * (-0.5 * e * e).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let theta = vector(&[mean + deviation * e]);
            value += weight * loss.value(&theta);
            gradient += weight * loss.gradient(&theta)[0];
            hessian += weight * loss.hessian(&theta)[(0, 0)];
        }
        assert_number(known.value, value, 1e-10);
        assert_number(known.gradient[0], gradient, 1e-10);
        assert_number(known.hessian[(0, 0)], hessian, 1e-10);
    }
}

#[test]
fn quartic() {
    laws(&Quartic {
        fourth: vector(&[0.25, 0.5, 0.3]),
        third: vector(&[0.1, -0.2, 0.4]),
        second: vector(&[0.5, -0.6, 0.2]),
        cross: 0.15,
    });
}

#[test]
fn data_that_do_not_fit_are_errors() {
    assert!(LinearRegression::new(inputs(1, 3, 2), normals(1, 4), 1.0).unwrap_err().to_string().contains("3 rows"));
    assert!(LinearRegression::new(inputs(1, 3, 2), normals(1, 3), 0.0).is_err());
    let error = LogisticRegression::new(inputs(1, 2, 2), vector(&[0.0, 2.0])).unwrap_err();
    assert!(error.to_string().contains("found 2"));
    let loss = LogisticRegression::new(inputs(1, 2, 2), vector(&[0.0, 1.0])).unwrap();
    assert!(loss.subset(&[0, 2]).unwrap_err().to_string().contains("example 2"));
    assert_eq!(loss.subset(&[1]).unwrap().examples(), 1);
}
