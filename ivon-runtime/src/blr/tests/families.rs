//! Every family: the two parameterisations, the log-partition and its derivatives, entropy, normalisation.

use super::super::special::{digamma, ln_gamma};
use super::super::*;
use super::*;
use std::f64::consts::{E, PI};

/// What holds for every member of every family: ∇A = μ, ∇²A = F, both maps and back, the entropy's slope in μ.
fn laws<Q: Family + std::fmt::Debug>(q: &Q) {
    let (natural, expectation) = (q.natural(), q.expectation());
    let at = |natural: &Vector| q.with_natural(natural).unwrap();

    assert_close(&slope(|n| at(n).log_partition(), &natural, 1e-5), &expectation, 2e-8);
    assert_matrix(&jacobian(|n| at(n).expectation(), &natural, 1e-5), &q.fisher(), 2e-8);

    assert_close(&at(&natural).natural(), &natural, 1e-12);
    let back = q.with_expectation(&expectation).unwrap();
    assert_close(&back.natural(), &natural, 1e-8);
    assert_close(&back.expectation(), &expectation, 1e-10);

    let entropy = |mu: &Vector| q.with_expectation(mu).unwrap().entropy();
    let scale = 1e-5 * q.fisher().diagonal().amin().min(1.0);
    assert_close(&slope(entropy, &expectation, scale), &q.entropy_gradient(), 1e-4);

    assert_number(divergence(q, q), 0.0, 1e-12);
    assert!(q.with_natural(&natural.push(0.0)).is_err() && q.with_expectation(&expectation.push(0.0)).is_err());
}

fn covariance() -> Matrix {
    matrix(3, &[1.3, 0.4, -0.2, 0.4, 0.9, 0.3, -0.2, 0.3, 0.7])
}

fn mean() -> Vector {
    vector(&[0.5, -1.1, 0.8])
}

#[test]
fn full_gaussian() {
    let q = FullGaussian::from_covariance(mean(), covariance()).unwrap();
    laws(&q);
    // ½ log |2πe V|
    assert_number(q.entropy(), 0.5 * (covariance() * (2.0 * PI * E)).determinant().ln(), 1e-12);
    let theta = vector(&[0.1, 0.2, -0.3]);
    let away = &theta - mean();
    let density =
        -0.5 * (away.dot(&(covariance().try_inverse().unwrap() * &away)) + (covariance() * (2.0 * PI)).determinant().ln());
    assert_number(q.log_density(&theta), density, 1e-12);
    assert_matrix(&(q.factor() * q.factor().transpose()), &covariance(), 1e-12);
}

#[test]
fn diagonal_gaussian() {
    let q = DiagonalGaussian::new(mean(), vector(&[0.5, 2.0, 7.0])).unwrap();
    laws(&q);
    let same = FullGaussian::new(mean(), Matrix::from_diagonal(q.precision())).unwrap();
    agrees(&q, &same);
}

#[test]
fn isotropic_gaussian() {
    let q = IsotropicGaussian::new(mean(), 2.5).unwrap();
    laws(&q);
    agrees(&q, &FullGaussian::new(mean(), Matrix::identity(3, 3) * 2.5).unwrap());
}

#[test]
fn gaussian_with_fixed_covariance() {
    let q = FixedGaussian::new(mean(), covariance()).unwrap();
    laws(&q);
    agrees(&q, &FullGaussian::from_covariance(mean(), covariance()).unwrap());
    assert_close(&q.entropy_gradient(), &Vector::zeros(3), 1e-14);
}

/// A restricted Gaussian is the same distribution as the full one with its parameters.
fn agrees(q: &impl Gaussian, full: &FullGaussian) {
    let theta = vector(&[0.4, -0.2, 1.7]);
    assert_number(q.log_density(&theta), full.log_density(&theta), 1e-12);
    assert_number(q.entropy(), full.entropy(), 1e-12);
    assert_matrix(&q.covariance(), &full.covariance(), 1e-12);
    assert_close(&q.sample(&theta), &full.sample(&theta), 1e-12);
}

#[test]
fn gamma() {
    for (shape, rate) in [(2.5, 1.7), (0.4, 0.1), (60.0, 3.0)] {
        let q = Gamma::new(shape, rate).unwrap();
        laws(&q);
        let entropy = shape - rate.ln() + ln_gamma(shape) + (1.0 - shape) * digamma(shape);
        assert_number(q.entropy(), entropy, 1e-12);
    }
    let q = Gamma::new(2.5, 1.7).unwrap();
    assert_number(total(&q, |u| (u.exp(), u.exp()), -60.0, 6.0), 1.0, 1e-9);
}

#[test]
fn beta() {
    for (a, b) in [(2.0, 3.0), (0.3, 0.6), (40.0, 2.0)] {
        let q = Beta::new(a, b).unwrap();
        laws(&q);
        let log_beta = ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
        let entropy = log_beta - (a - 1.0) * digamma(a) - (b - 1.0) * digamma(b) + (a + b - 2.0) * digamma(a + b);
        assert_number(q.entropy(), entropy, 1e-11);
    }
    // Beta(2, 2) has density 6 x (1 − x).
    assert_number(Beta::new(2.0, 2.0).unwrap().log_density(&vector(&[0.3])), (6.0f64 * 0.3 * 0.7).ln(), 1e-13);
    let logistic = |u: f64| (1.0 / (1.0 + (-u).exp()), 1.0 / ((1.0 + (-u).exp()) * (1.0 + u.exp())));
    assert_number(total(&Beta::new(2.0, 3.0).unwrap(), logistic, -30.0, 30.0), 1.0, 1e-9);
}

#[test]
fn dirichlet() {
    for a in [vec![2.0, 3.0, 0.7, 1.0], vec![0.2, 0.3, 0.1], vec![50.0, 20.0, 30.0]] {
        laws(&Dirichlet::new(Vector::from_vec(a)).unwrap());
    }
    // Three ones: the uniform distribution over a simplex of area ½ (in two coordinates).
    let uniform = Dirichlet::new(vector(&[1.0, 1.0, 1.0])).unwrap();
    assert_number(uniform.entropy(), -(2.0f64.ln()), 1e-13);
    assert_number(uniform.log_density(&vector(&[0.2, 0.5, 0.3])), 2.0f64.ln(), 1e-13);
}

#[test]
fn categorical_and_bernoulli() {
    let q = Categorical::new(vector(&[0.3, -1.2, 2.0])).unwrap();
    laws(&q);
    let p = q.probabilities();
    assert_number(q.entropy(), -p.map(|p| p * p.ln()).sum(), 1e-12);
    for class in 0..4 {
        assert_number(q.log_density(&vector(&[class as f64])), p[class].ln(), 1e-12);
    }
    let q = Bernoulli::new(-0.4).unwrap();
    laws(&q);
    assert_number(q.probability(), 1.0 / (1.0 + 0.4f64.exp()), 1e-14);
    assert_number(q.log_density(&vector(&[1.0])), q.probability().ln(), 1e-13);
    // Far out nothing overflows.
    assert_number(Bernoulli::new(800.0).unwrap().log_partition(), 800.0, 1e-14);
}

/// The integral of q's density by the trapezoid rule after a change of variable x(u) with slope dx/du.
fn total(q: &impl Family, change: impl Fn(f64) -> (f64, f64), from: f64, to: f64) -> f64 {
    let n = 20_000;
    let width = (to - from) / f64::from(n);
    (0..=n)
        .map(|i| {
            let (x, slope) = change(from + width * f64::from(i));
            q.log_density(&vector(&[x])).exp() * slope * width
        })
        .sum()
}

/// KL of two Gaussians by the textbook formula.
#[test]
fn divergence_of_two_gaussians() {
    let (q, p) = (DiagonalGaussian::new(vector(&[0.5]), vector(&[2.0])), DiagonalGaussian::new(vector(&[-0.2]), vector(&[0.8])));
    let (vq, vp) = (0.5f64, 1.25f64);
    let known = 0.5 * (vq / vp + 0.7 * 0.7 / vp - 1.0 + (vp / vq).ln());
    assert_number(divergence(&q.unwrap(), &p.unwrap()), known, 1e-13);
}

#[test]
fn what_is_no_distribution_is_an_error() {
    assert!(Gamma::new(-1.0, 1.0).is_err() && Gamma::new(1.0, f64::NAN).is_err());
    assert!(Beta::new(0.0, 1.0).unwrap_err().to_string().starts_with("Beta"));
    assert!(Dirichlet::new(vector(&[1.0])).is_err());
    assert!(FullGaussian::new(mean(), Matrix::zeros(3, 3)).is_err());
    assert!(FullGaussian::new(mean(), Matrix::identity(2, 2)).unwrap_err().to_string().contains("[3, 3]"));
    assert!(DiagonalGaussian::new(vector(&[f64::NAN]), vector(&[1.0])).is_err());
    // E[ln x] above ln E[x] contradicts Jensen; probabilities sum to one at most.
    assert!(Gamma::new(1.0, 1.0).unwrap().with_expectation(&vector(&[1.0, 1.0])).is_err());
    assert!(Categorical::new(vector(&[0.0, 0.0])).unwrap().with_expectation(&vector(&[0.7, 0.6])).is_err());
    assert!(Dirichlet::new(vector(&[1.0, 1.0])).unwrap().with_expectation(&vector(&[-0.1, -0.1])).is_err());
}
