//! Estimates of gradient and Hessian: unbiased, with the variance that theory gives them.

use super::super::*;
use super::*;

fn quartic() -> Quartic {
    Quartic { fourth: vector(&[0.25, 0.5]), third: vector(&[0.1, -0.2]), second: vector(&[0.5, -0.6]), cross: 0.15 }
}

fn posterior() -> DiagonalGaussian {
    DiagonalGaussian::new(vector(&[0.6, -0.4]), vector(&[2.0, 3.0])).unwrap()
}

/// Mean and variance over `repeats` independent estimates: of the gradient `[2]` and the Hessian's diagonal `[2]`, in one
/// vector `[4]`.
fn moments(samples: u32, curvature: Curvature, repeats: u32) -> (Vector, Vector) {
    let expectation = Expectation::MonteCarlo { samples, seed: 17 };
    let (mut mean, mut square) = (Vector::zeros(4), Vector::zeros(4));
    for step in 1..=repeats {
        let e = expectation.of(&quartic(), &posterior(), curvature, step).unwrap();
        let h = e.hessian.diagonal();
        let all = vector(&[e.gradient[0], e.gradient[1], h[0], h[1]]);
        mean += &all / f64::from(repeats);
        square += all.component_mul(&all) / f64::from(repeats);
    }
    let variance = square - mean.component_mul(&mean);
    (mean, variance)
}

fn truth() -> Vector {
    let q = posterior();
    let e = quartic().expected(q.mean(), &q.covariance()).unwrap();
    let h = e.hessian.diagonal();
    vector(&[e.gradient[0], e.gradient[1], h[0], h[1]])
}

/// Five standard errors: a false alarm once in a million runs, and the noise is fixed.
#[test]
fn gradient_and_hessian_are_unbiased() {
    let repeats = 40_000;
    for curvature in [Curvature::Hessian, Curvature::Price] {
        let (mean, variance) = moments(1, curvature, repeats);
        for i in 0..4 {
            let error = (mean[i] - truth()[i]).abs() / (variance[i] / f64::from(repeats)).sqrt();
            assert!(error < 5.0, "{curvature:?}: element {i} is {error} standard errors from the truth");
        }
    }
}

/// S samples have 1/S of the variance.
#[test]
fn variance_falls_with_the_number_of_samples() {
    let (_, one) = moments(1, Curvature::Price, 20_000);
    for samples in [4, 16] {
        let (_, many) = moments(samples, Curvature::Price, 20_000);
        for i in 0..4 {
            let ratio = one[i] / many[i] / f64::from(samples);
            assert!((ratio - 1.0).abs() < 0.15, "{samples} samples: the variance of element {i} is off by {ratio}");
        }
    }
}

/// On a quadratic ½ a θ², where the Hessian has no variance at all, Price's estimate g ε / σ = a (m + σ ε) ε / σ has
/// a² (2 + m²/σ²): what it costs to use gradients only.
#[test]
fn the_variance_of_price_on_a_quadratic() {
    let (a, m, precision) = (1.4, 0.8, 5.0);
    let loss = Quartic { fourth: vector(&[0.0]), third: vector(&[0.0]), second: vector(&[0.5 * a]), cross: 0.0 };
    let q = DiagonalGaussian::new(vector(&[m]), vector(&[precision])).unwrap();
    let n = 100_000;
    let (mut sum, mut squares) = (0.0, 0.0);
    for step in 1..=n {
        let e = Expectation::MonteCarlo { samples: 1, seed: 4 }.of(&loss, &q, Curvature::Price, step).unwrap();
        sum += e.hessian[(0, 0)] / f64::from(n);
        squares += e.hessian[(0, 0)].powi(2) / f64::from(n);
    }
    assert_number(sum, a, 0.03);
    assert_number(squares - sum * sum, a * a * (2.0 + m * m * precision), 0.03);
}

/// GradSq estimates ess · E[g²], not E[∇²ℓ]. On ½ a θ² with q at its optimum (m = 0, precision ess · a) the two agree;
/// away from it GradSq is too large by ess · E[g]², which is why it needs no correction and why it shortens steps.
#[test]
fn gradsq_is_the_hessian_at_the_optimum_only() {
    let (a, ess) = (1.4, 50.0);
    let loss = Quartic { fourth: vector(&[0.0]), third: vector(&[0.0]), second: vector(&[0.5 * a]), cross: 0.0 };
    let exact = Expectation::GaussHermite { points: 5 };
    for m in [0.0, 0.3] {
        let q = DiagonalGaussian::new(vector(&[m]), vector(&[ess * a])).unwrap();
        let price = exact.of(&loss, &q, Curvature::Price, 1).unwrap();
        let gradsq = exact.of(&loss, &q, Curvature::GradSq { scale: ess }, 1).unwrap();
        assert_number(price.hessian[(0, 0)], a, 1e-12);
        assert_number(gradsq.hessian[(0, 0)], a + ess * (a * m).powi(2), 1e-12);
    }
}

/// At the truth of a well-specified model, the mean outer product of single gradients is the Hessian's expectation over the
/// data (the information identity): they meet as data grows.
#[test]
fn gauss_newton_meets_the_hessian_on_true_labels() {
    let truth = vector(&[0.8, -0.5]);
    let n = 20_000;
    let x = inputs(21, n, 2);
    // A label is one with probability σ(xᵀθ): the logistic quantile of a uniform number, made from a normal's two halves.
    let uniform = normals(22, 2 * n);
    let y = Vector::from_fn(n, |i, _| {
        let u = (-(uniform[2 * i].powi(2) + uniform[2 * i + 1].powi(2)) / 2.0).exp();
        f64::from(x.row(i).transpose().dot(&truth) > (u / (1.0 - u)).ln())
    });
    let loss = LogisticRegression::new(x, y).unwrap();
    let q = DiagonalGaussian::new(truth, vector(&[1e8, 1e8])).unwrap();
    let hessian = Expectation::AtMean.of(&loss, &q, Curvature::Hessian, 1).unwrap().hessian;
    let gauss_newton = Expectation::AtMean.of(&loss, &q, Curvature::GaussNewton, 1).unwrap().hessian;
    assert_matrix(&gauss_newton, &hessian, 0.01);
}
