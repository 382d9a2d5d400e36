//! Natural gradients and the step: one quantity computed in several ways.

use super::super::*;
use super::*;

fn quartic() -> Quartic {
    Quartic { fourth: vector(&[0.25, 0.5]), third: vector(&[0.1, -0.2]), second: vector(&[0.5, 0.3]), cross: 0.15 }
}

/// F⁻¹ ∇_λ = ∇_μ = what Bonnet and Price say, for an expected loss known in closed form.
fn natural_gradient_in_three_ways(q: &impl Gaussian) {
    let loss = quartic();
    let value = |q: &dyn Fn() -> crate::core::error::Result<(Vector, Matrix)>| {
        let (mean, covariance) = q().unwrap();
        loss.expected(&mean, &covariance).unwrap().value
    };
    let by_natural = slope(|n| value(&|| q.with_natural(n).map(|q| (q.mean().clone(), q.covariance()))), &q.natural(), 1e-5);
    let by_expectation =
        slope(|mu| value(&|| q.with_expectation(mu).map(|q| (q.mean().clone(), q.covariance()))), &q.expectation(), 1e-5);
    let e = Expectation::Exact.of(&loss, q, Curvature::Hessian, 1).unwrap();
    let by_theorem = q.expectation_gradient(&e.gradient, &e.hessian);

    assert_close(&natural_gradient(q, &by_natural).unwrap(), &by_theorem, 1e-7);
    assert_close(&by_expectation, &by_theorem, 1e-7);
}

#[test]
fn natural_gradients_of_gaussians() {
    let mean = vector(&[0.6, -0.4]);
    let covariance = matrix(2, &[0.5, 0.2, 0.2, 0.8]);
    natural_gradient_in_three_ways(&FullGaussian::from_covariance(mean.clone(), covariance.clone()).unwrap());
    natural_gradient_in_three_ways(&DiagonalGaussian::new(mean.clone(), vector(&[2.0, 1.2])).unwrap());
    natural_gradient_in_three_ways(&IsotropicGaussian::new(mean.clone(), 1.6).unwrap());
    natural_gradient_in_three_ways(&FixedGaussian::new(mean, covariance).unwrap());
}

/// The same for families that are no Gaussians: the loss is x² (the second moment is known), or a function of p.
#[test]
fn natural_gradients_of_the_other_families() {
    fn check<Q: Family>(q: &Q, value: impl Fn(&Q) -> f64) {
        let by_natural = slope(|n| value(&q.with_natural(n).unwrap()), &q.natural(), 1e-5);
        let by_expectation = slope(|mu| value(&q.with_expectation(mu).unwrap()), &q.expectation(), 1e-5);
        assert_close(&natural_gradient(q, &by_natural).unwrap(), &by_expectation, 1e-6);
    }
    check(&Gamma::new(2.5, 1.3).unwrap(), |q| q.shape() * (q.shape() + 1.0) / q.rate().powi(2));
    check(&Beta::new(2.0, 3.5).unwrap(), |q| {
        let n = q.alpha() + q.beta();
        q.alpha() * (q.alpha() + 1.0) / (n * (n + 1.0))
    });
    check(&Dirichlet::new(vector(&[1.5, 2.0, 0.8])).unwrap(), |q| {
        let a = q.concentration();
        a[0] * a[1] / (a.sum() * (a.sum() + 1.0)) // E[p₀ p₁]
    });
    check(&Categorical::new(vector(&[0.3, -0.5])).unwrap(), |q| q.probabilities().dot(&vector(&[1.0, -2.0, 0.5])));
    check(&Bernoulli::new(0.7).unwrap(), |q| 3.0 * q.probability());
}

/// Quadrature is exact on polynomials; Monte Carlo comes near.
#[test]
fn three_ways_to_take_an_expectation() {
    let loss = quartic();
    let q = FullGaussian::from_covariance(vector(&[0.6, -0.4]), matrix(2, &[0.5, 0.2, 0.2, 0.8])).unwrap();
    let exact = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1).unwrap();
    for curvature in [Curvature::Hessian, Curvature::Price] {
        let found = Expectation::GaussHermite { points: 4 }.of(&loss, &q, curvature, 1).unwrap();
        assert_number(found.value, exact.value, 1e-12);
        assert_close(&found.gradient, &exact.gradient, 1e-12);
        assert_matrix(&found.hessian, &exact.hessian, 1e-12);

        let found = Expectation::MonteCarlo { samples: 200_000, seed: 3 }.of(&loss, &q, curvature, 1).unwrap();
        assert_number(found.value, exact.value, 0.02);
        assert_close(&found.gradient, &exact.gradient, 0.02);
        assert_matrix(&found.hessian, &exact.hessian, 0.04);
    }
}

/// At the fixed point −λ is the natural gradient of the expected loss, and the bound has no slope left.
#[test]
fn the_fixed_point_is_the_optimum() {
    let loss = quartic();
    let mut q = FullGaussian::new(vector(&[0.0, 0.0]), Matrix::identity(2, 2)).unwrap();
    let bound = |q: &FullGaussian| loss.expected(q.mean(), &q.covariance()).unwrap().value - q.entropy();
    let start = bound(&q);
    for _ in 0..400 {
        let e = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1).unwrap();
        q = step(&q, &q.expectation_gradient(&e.gradient, &e.hessian), 0.2).unwrap();
    }
    let e = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1).unwrap();
    assert_close(&q.expectation_gradient(&e.gradient, &e.hessian), &-q.natural(), 1e-10);
    assert_close(&slope(|n| bound(&q.with_natural(n).unwrap()), &q.natural(), 1e-5), &Vector::zeros(5), 1e-8);
    assert!(bound(&q) < start - 0.1);
}

/// The surrogates of prior and examples add up to the posterior, at the fixed point and nowhere else.
#[test]
fn surrogates_have_the_precision_of_the_posterior() {
    let (x, noise) = (inputs(5, 30, 2), normals(6, 30));
    let y = (&x * vector(&[1.0, -2.0]) + noise).map(|f| f64::from(f > 0.0));
    let loss = LogisticRegression::new(x, y).unwrap();
    let prior = FullGaussian::new(vector(&[0.0, 0.0]), Matrix::identity(2, 2)).unwrap();
    let sites = |q: &FullGaussian| -> Vec<Surrogate> {
        (0..30).map(|i| Surrogate::new(&loss.subset(&[i]).unwrap(), 1.0, q, Expectation::Exact).unwrap()).collect()
    };
    let mut q = prior.clone();
    let added = |q: &FullGaussian| super::super::conjugate::posterior(&prior, sites(q).iter().map(Surrogate::natural)).unwrap();
    assert!(difference(added(&q).precision(), q.precision()) > 0.1);
    for _ in 0..200 {
        let e = Expectation::Exact.of(&loss, &q, Curvature::Hessian, 1).unwrap();
        let gradient = q.expectation_gradient(&(e.gradient * 30.0), &(e.hessian * 30.0)) - prior.natural();
        q = step(&q, &gradient, 0.3).unwrap();
    }
    let precision = sites(&q).iter().fold(prior.precision().clone(), |sum, site| sum + &site.hessian);
    assert_matrix(&precision, q.precision(), 1e-10);
    assert_close(&added(&q).natural(), &q.natural(), 1e-10);

    // Each keeps the expected loss of its example: E[ℓ̂] = ℓ̂(m) + ½ tr(H V).
    let site = &sites(&q)[3];
    let kept = site.at(q.mean()) + 0.5 * site.hessian.component_mul(&q.covariance()).sum();
    assert_number(kept, loss.subset(&[3]).unwrap().expected(q.mean(), &q.covariance()).unwrap().value, 1e-12);
}

/// The surrogate of a quadratic is the quadratic, wherever it is made.
#[test]
fn the_surrogate_of_a_quadratic_is_itself() {
    let loss = LinearRegression::new(inputs(1, 12, 3), normals(2, 12), 0.3).unwrap();
    let q = DiagonalGaussian::new(vector(&[0.5, -1.0, 0.3]), vector(&[1.0, 4.0, 2.0])).unwrap();
    let surrogate = Surrogate::new(&loss, 12.0, &q, Expectation::GaussHermite { points: 3 }).unwrap();
    for theta in [vector(&[0.0, 0.0, 0.0]), vector(&[1.0, -3.0, 2.0])] {
        assert_number(surrogate.at(&theta), 12.0 * loss.value(&theta), 1e-11);
    }
}

#[test]
fn senseless_requests_are_errors() {
    let q = DiagonalGaussian::new(vector(&[0.0, 0.0]), vector(&[1.0, 1.0])).unwrap();
    assert!(step(&q, &vector(&[1.0]), 0.1).unwrap_err().to_string().contains("4 natural parameters"));
    // A step that makes a precision negative leaves the family.
    assert!(step(&q, &vector(&[0.0, 0.0, -5.0, -5.0]), 1.0).is_err());
    let error = Expectation::AtMean.of(&quartic(), &q, Curvature::Price, 1).unwrap_err();
    assert!(error.to_string().contains("needs noise"));
    assert!(Expectation::Exact.of(&quartic(), &q, Curvature::GaussNewton, 1).is_err());
    assert!(Expectation::MonteCarlo { samples: 0, seed: 0 }.of(&quartic(), &q, Curvature::Hessian, 1).is_err());
    let three = DiagonalGaussian::new(vector(&[0.0; 3]), vector(&[1.0; 3])).unwrap();
    assert!(Expectation::AtMean.of(&quartic(), &three, Curvature::Hessian, 1).unwrap_err().to_string().contains("2 parameters"));
}
