//! Bayes' rule as addition: one step with ρ = 1 against the textbook posterior.

use super::super::conjugate::*;
use super::super::*;
use super::*;

/// Linear regression by one step against the normal equations, solved by QR of the augmented system
/// [X/σ; √δ I] θ = [y/σ; 0], which squares nothing.
#[test]
fn linear_regression() {
    let (n, d, variance, prior_precision) = (40, 4, 0.3, 0.7);
    let x = inputs(1, n, d);
    let y = &x * vector(&[1.0, -0.5, 2.0, 0.1]) + normals(2, n) * 0.5;
    let prior = FullGaussian::new(Vector::zeros(d), Matrix::identity(d, d) * prior_precision).unwrap();
    let r = matrix(1, &[variance]);
    let observation = |i: usize| linear(&x.rows(i, 1).into_owned(), &vector(&[y[i]]), &r).unwrap();
    let q = posterior(&prior, (0..n).map(observation)).unwrap();

    let mut rows = Matrix::zeros(n + d, d);
    rows.rows_mut(0, n).copy_from(&(&x / variance.sqrt()));
    rows.rows_mut(n, d).copy_from(&(Matrix::identity(d, d) * prior_precision.sqrt()));
    let mut targets = Vector::zeros(n + d);
    targets.rows_mut(0, n).copy_from(&(&y / variance.sqrt()));
    let qr = rows.clone().qr();
    let mean = qr.r().solve_upper_triangular(&(qr.q().transpose() * targets)).unwrap();
    assert_close(q.mean(), &mean, 1e-10);
    assert_matrix(q.precision(), &(rows.transpose() * rows), 1e-10);

    // From any q, not only from the prior: the expected loss is linear in μ, so its gradient knows nothing of q.
    let loss = LinearRegression::new(x.clone(), y.clone(), variance).unwrap();
    let anywhere = FullGaussian::new(vector(&[5.0, 5.0, -3.0, 0.0]), Matrix::identity(d, d) * 0.01).unwrap();
    let e = Expectation::Exact.of(&loss, &anywhere, Curvature::Hessian, 1).unwrap();
    let gradient = anywhere.expectation_gradient(&(e.gradient * n as f64), &(e.hessian * n as f64)) - prior.natural();
    assert_close(step(&anywhere, &gradient, 1.0).unwrap().mean(), &mean, 1e-10);

    // One by one, in another order.
    let streamed = (0..n).rev().try_fold(prior.clone(), |q, i| posterior(&q, [observation(i)])).unwrap();
    assert_close(&streamed.natural(), &q.natural(), 1e-10);

    // And away again: subtracting an example is retraining without it.
    let without = posterior(&prior, (0..n).filter(|i| *i != 7).map(observation)).unwrap();
    assert_close(&posterior(&q, [-observation(7)]).unwrap().natural(), &without.natural(), 1e-10);
}

#[test]
fn beta_bernoulli() {
    let throws = [true, false, true, true, false, true];
    let prior = Beta::new(1.5, 2.0).unwrap();
    let q = posterior(&prior, throws.map(bernoulli)).unwrap();
    assert_number(q.alpha(), 1.5 + 4.0, 1e-10);
    assert_number(q.beta(), 2.0 + 2.0, 1e-10);
    let streamed = throws.iter().try_fold(prior, |q, throw| posterior(&q, [bernoulli(*throw)])).unwrap();
    assert_close(&streamed.natural(), &q.natural(), 1e-10);
}

#[test]
fn gamma_poisson() {
    let counts = [(3, 1.0), (7, 2.5), (0, 0.5)];
    let prior = Gamma::new(2.0, 0.5).unwrap();
    let q = posterior(&prior, counts.map(|(count, exposure)| poisson(count, exposure))).unwrap();
    assert_number(q.shape(), 12.0, 1e-10);
    assert_number(q.rate(), 4.5, 1e-10);
    let streamed = counts.iter().try_fold(prior, |q, (k, t)| posterior(&q, [poisson(*k, *t)])).unwrap();
    assert_close(&streamed.natural(), &q.natural(), 1e-10);
}

#[test]
fn dirichlet_categorical() {
    let classes = [0, 2, 2, 1, 2];
    let prior = Dirichlet::new(vector(&[1.0, 0.5, 2.0])).unwrap();
    let q = posterior(&prior, classes.map(|k| categorical(k, 3).unwrap())).unwrap();
    assert_close(q.concentration(), &vector(&[2.0, 1.5, 5.0]), 1e-10);
    let streamed = classes.iter().try_fold(prior, |q, k| posterior(&q, [categorical(*k, 3)?])).unwrap();
    assert_close(&streamed.natural(), &q.natural(), 1e-10);
    assert!(categorical(3, 3).unwrap_err().to_string().contains("class 3"));
}

/// The log-likelihoods are ⟨λ_y, T(θ)⟩ up to what does not depend on θ: differences between two θ are equal.
#[test]
fn natural_gradients_are_the_log_likelihoods() {
    let gap = |q: &dyn Fn(f64) -> Vector, natural: &Vector, a: f64, b: f64| natural.dot(&(q(a) - q(b)));
    let beta = Beta::new(1.0, 1.0).unwrap();
    assert_number(gap(&|p| beta.statistics(&vector(&[p])), &bernoulli(false), 0.2, 0.7), (0.8f64 / 0.3).ln(), 1e-12);
    let gamma = Gamma::new(1.0, 1.0).unwrap();
    // Poisson: 3 ln(rate · 2) − 2 rate
    let likelihood = |rate: f64| 3.0 * (2.0 * rate).ln() - 2.0 * rate;
    let found = gap(&|rate| gamma.statistics(&vector(&[rate])), &poisson(3, 2.0), 0.9, 1.8);
    assert_number(found, likelihood(0.9) - likelihood(1.8), 1e-12);
}

/// The Kalman filter in its usual form with gains, over a moving target seen in part.
#[test]
fn kalman_filter() {
    let f = matrix(2, &[1.0, 0.1, 0.0, 1.0]);
    let q = matrix(2, &[0.002, 0.001, 0.001, 0.01]);
    let h = matrix(1, &[1.0, 0.0]);
    let r = matrix(1, &[0.25]);
    let (mut mean, mut covariance) = (vector(&[0.0, 1.0]), matrix(2, &[2.0, 0.3, 0.3, 1.0]));
    let mut filter = Kalman { state: FullGaussian::from_covariance(mean.clone(), covariance.clone()).unwrap() };

    for y in normals(9, 50).iter() {
        filter.predict(&f, &q).unwrap();
        filter.update(&h, &r, &vector(&[*y])).unwrap();

        mean = &f * mean;
        covariance = &f * covariance * f.transpose() + &q;
        let gain = &covariance * h.transpose() * (&h * &covariance * h.transpose() + &r).try_inverse().unwrap();
        mean += &gain * (vector(&[*y]) - &h * &mean);
        covariance = (Matrix::identity(2, 2) - &gain * &h) * covariance;

        assert_close(filter.state.mean(), &mean, 1e-10);
        assert_matrix(&filter.state.covariance(), &covariance, 1e-10);
    }
    assert!(filter.update(&matrix(2, &[1.0; 4]), &r, &vector(&[0.0])).is_err());
    assert!(filter.predict(&matrix(1, &[1.0]), &r).is_err());
}
