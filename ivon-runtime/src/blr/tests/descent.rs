//! Each optimizer against its textbook form, and the named ones against the packages that people use.

use super::super::*;
use super::*;

fn quartic() -> Quartic {
    Quartic { fourth: vector(&[0.25, 0.5, 0.1]), third: vector(&[0.1, -0.2, 0.0]), second: vector(&[0.5, 0.3, -0.4]), cross: 0.1 }
}

fn start() -> Vector {
    vector(&[1.0, -0.7, 0.4])
}

fn regression() -> LogisticRegression {
    let x = inputs(11, 40, 3);
    let y = (&x * vector(&[1.0, -2.0, 0.5]) + normals(12, 40)).map(|f| f64::from(f > 0.0));
    LogisticRegression::new(x, y).unwrap()
}

fn run(mut descent: Descent, loss: &dyn Loss, steps: usize) -> Descent {
    for _ in 0..steps {
        descent.step(loss).unwrap();
    }
    descent
}

#[test]
fn gradient_descent() {
    let mut mean = start();
    for _ in 0..5 {
        mean -= quartic().gradient(&mean) * 0.1;
    }
    let found = run(Descent::gradient_descent(start(), 0.1), &quartic(), 5);
    assert_close(&found.mean, &mean, 1e-14);
    // torch.optim.SGD(lr=0.1), 5 steps
    assert_close(&found.mean, &vector(&[0.37561238494338584, -0.30323765510310613, 0.5286834534044338]), 1e-13);
}

/// It is also the rule itself, for N(m, I) and the delta method.
#[test]
fn gradient_descent_is_the_rule() {
    let mut q = FixedGaussian::standard(start()).unwrap();
    for _ in 0..5 {
        let e = Expectation::AtMean.of(&quartic(), &q, Curvature::Hessian, 1).unwrap();
        q = step(&q, &q.expectation_gradient(&e.gradient, &e.hessian), 0.1).unwrap();
    }
    assert_close(q.mean(), &run(Descent::gradient_descent(start(), 0.1), &quartic(), 5).mean, 1e-13);
}

#[test]
fn newton() {
    let loss = regression();
    let mut mean = Vector::zeros(3);
    let mut descent = Descent::newton(Vector::zeros(3));
    for _ in 0..12 {
        mean -= loss.hessian(&mean).lu().solve(&loss.gradient(&mean)).unwrap();
        descent.step(&loss).unwrap();
        assert_close(&descent.mean, &mean, 1e-11);
    }
    assert!(loss.gradient(&descent.mean).amax() < 1e-12);
}

#[test]
fn online_newton() {
    let loss = regression();
    let (mut mean, mut hessian, rate) = (Vector::zeros(3), Matrix::identity(3, 3), 0.3);
    let mut descent = Descent::online_newton(mean.clone(), hessian.clone(), rate);
    for _ in 0..20 {
        hessian = hessian * (1.0 - rate) + loss.hessian(&mean) * rate;
        mean -= hessian.clone().lu().solve(&loss.gradient(&mean)).unwrap() * rate;
        descent.step(&loss).unwrap();
        assert_close(&descent.mean, &mean, 1e-11);
    }
}

/// With exact expectations, α = ρ and no momentum, the step is the Bayesian learning rule on prior and likelihood.
#[test]
fn without_approximations_it_is_the_rule() {
    let (loss, ess, decay, rate) = (regression(), 40.0, 0.05, 0.2);
    let prior = FullGaussian::new(Vector::zeros(3), Matrix::identity(3, 3) * (ess * decay)).unwrap();
    let mut full = FullGaussian::new(start(), Matrix::identity(3, 3) * (ess * (0.1 + decay))).unwrap();
    let mut descent =
        Descent { ess, weight_decay: decay, ..Descent::exact(start(), Precision::Full(Matrix::identity(3, 3) * 0.1), rate) };
    for _ in 0..15 {
        let e = Expectation::Exact.of(&loss, &full, Curvature::Hessian, 1).unwrap();
        let gradient = full.expectation_gradient(&(e.gradient * ess), &(e.hessian * ess)) - prior.natural();
        full = step(&full, &gradient, rate).unwrap();
        descent.step(&loss).unwrap();
        assert_close(&descent.mean, full.mean(), 1e-12);
        assert_matrix(&descent.precision(), full.precision(), 1e-12);
    }

    let prior = DiagonalGaussian::new(Vector::zeros(3), Vector::from_element(3, ess * decay)).unwrap();
    let mut diagonal = DiagonalGaussian::new(start(), Vector::from_element(3, ess * (0.1 + decay))).unwrap();
    let h = Precision::Diagonal(Vector::from_element(3, 0.1));
    let mut descent = Descent { ess, weight_decay: decay, ..Descent::exact(start(), h, rate) };
    for _ in 0..15 {
        let e = Expectation::Exact.of(&loss, &diagonal, Curvature::Hessian, 1).unwrap();
        let gradient = diagonal.expectation_gradient(&(e.gradient * ess), &(e.hessian * ess)) - prior.natural();
        diagonal = step(&diagonal, &gradient, rate).unwrap();
        descent.step(&loss).unwrap();
        assert_close(&descent.mean, diagonal.mean(), 1e-12);
        assert_close(&descent.precision().diagonal(), diagonal.precision(), 1e-12);
    }
}

/// VON and VOGN as they are printed: s and μ, prior λ̃, one sample.
#[test]
fn von_and_vogn() {
    let (loss, ess, decay, alpha, beta) = (regression(), 40.0, 0.1, 0.05, 0.2);
    for name in ["VON", "VOGN"] {
        let make = if name == "VON" { Descent::von } else { Descent::vogn };
        let mut descent = Descent { weight_decay: decay, hessian_rate: beta, ..make(start(), 0.5, alpha, ess) };
        let (mut mu, mut s) = (start(), Vector::from_element(3, 0.5));
        for t in 1..=10 {
            let noise = Expectation::MonteCarlo { samples: 1, seed: 0 }.points(3, t).unwrap().remove(0).1;
            let theta = &mu + noise.zip_map(&s, |e, s| e / (ess * (s + decay)).sqrt());
            let curvature = match name {
                "VON" => loss.hessian(&theta).diagonal(),
                _ => (0..40).map(|i| loss.example_gradient(i, &theta).map(|g| g * g)).sum::<Vector>() / 40.0,
            };
            s = s * (1.0 - beta) + curvature * beta;
            mu -= (loss.gradient(&theta) + &mu * decay).component_div(&s.add_scalar(decay)) * alpha;
            descent.step(&loss).unwrap();
            assert_close(&descent.mean, &mu, 1e-12);
            assert_eq!(descent.steps, t);
        }
    }
}

#[test]
fn rmsprop() {
    let (mut mean, mut s) = (start(), Vector::zeros(3));
    for _ in 0..5 {
        let g = quartic().gradient(&mean);
        s = s * 0.9 + g.map(|g| g * g) * 0.1;
        mean -= g.zip_map(&s, |g, s| 0.01 * g / (s.sqrt() + 1e-8));
    }
    let found = run(Descent::rmsprop(start(), 0.01, 0.9, 1e-8), &quartic(), 5);
    assert_close(&found.mean, &mean, 1e-13);
    // torch.optim.RMSprop(lr=0.01, alpha=0.9, eps=1e-8), 5 steps
    assert_close(&found.mean, &vector(&[0.8973287177226841, -0.5994109644105945, 0.5118072648343776]), 1e-13);
}

#[test]
fn adam() {
    let (mut mean, mut m, mut v) = (start(), Vector::zeros(3), Vector::zeros(3));
    for t in 1..=5 {
        let g = quartic().gradient(&mean);
        m = m * 0.9 + &g * 0.1;
        v = v * 0.99 + g.map(|g| g * g) * 0.01;
        let (m_hat, v_hat) = (&m / (1.0 - 0.9f64.powi(t)), &v / (1.0 - 0.99f64.powi(t)));
        mean -= m_hat.zip_map(&v_hat, |m, v| 0.05 * m / (v.sqrt() + 1e-8));
    }
    let found = run(Descent::adam(start(), 0.05, 0.9, 0.99, 1e-8), &quartic(), 5);
    assert_close(&found.mean, &mean, 1e-13);
    // torch.optim.Adam(lr=0.05, betas=(0.9, 0.99), eps=1e-8), 5 steps
    assert_close(&found.mean, &vector(&[0.7530853791684714, -0.45574524625498586, 0.6508101581565158]), 1e-13);
}

/// IVON against the reference package (ivon-opt 0.1.3, in f64, its normals replaced by these): three steps of two
/// samples with lr 0.2, ess 20, hess_init 0.7, beta1 0.8, beta2 0.9, weight_decay 0.05, clip_radius 0.9.
#[test]
fn ivon() {
    const NOISE: [[[f64; 3]; 2]; 3] =
        [[[0.3, -1.2, 0.7], [1.1, 0.4, -0.5]], [[-0.8, 0.9, 1.6], [0.2, -0.3, -1.4]], [[0.6, 1.3, 0.1], [-1.7, 0.5, -0.9]]];
    let price =
        Descent { beta1: 0.8, hessian_rate: 1.0 - 0.9, weight_decay: 0.05, clip: 0.9, ..Descent::ivon(start(), 0.7, 0.2, 20.0) };
    let gradsq = Descent { curvature: Curvature::GradSq { scale: 20.0 }, ..price.clone() };
    let known = [
        [
            [0.595, -0.30585475228352865, 0.4979133222177874],
            [1.631223193873702, 1.2194674769041731, 0.4610245435823297],
            [0.9438607926295339, -0.502227979609846, -0.08192145819361991],
        ],
        [
            [0.9965934505431371, -0.6934136378831705, 0.46382630350546766],
            [376.7427675999248, 130.05088159499945, 0.6158777081376263],
            [1.3135773834403541, -0.8461302072039354, -0.06156879927828617],
        ],
    ];
    for (mut descent, [mean, hessian, momentum]) in [price, gradsq].into_iter().zip(known) {
        for samples in NOISE {
            let points: Vec<(f64, Vector)> = samples.iter().map(|noise| (0.5, vector(noise))).collect();
            descent.step_with(&quartic(), &points).unwrap();
        }
        assert_close(&descent.mean, &vector(&mean), 1e-12);
        assert_close(&descent.momentum, &vector(&momentum), 1e-12);
        let Precision::Diagonal(h) = &descent.hessian else { panic!("IVON is diagonal") };
        assert_close(h, &vector(&hessian), 1e-12);
    }
}

/// The correction of a matrix is that of numbers where the matrix is diagonal.
#[test]
fn the_correction_of_a_matrix() {
    let loss = Quartic { cross: 0.0, ..quartic() };
    let h = vector(&[0.4, 0.6, 0.9]);
    let make = |hessian| Descent { correction: true, weight_decay: 0.1, ess: 10.0, ..Descent::exact(start(), hessian, 0.3) };
    let full = run(make(Precision::Full(Matrix::from_diagonal(&h))), &loss, 5);
    let diagonal = run(make(Precision::Diagonal(h)), &loss, 5);
    assert_matrix(&full.precision(), &diagonal.precision(), 1e-12);
    assert_close(&full.mean, &diagonal.mean, 1e-12);
}

#[test]
fn what_cannot_work_is_an_error() {
    let mut bad = Descent { root: true, ..Descent::newton(Vector::zeros(3)) };
    assert!(bad.step(&regression()).unwrap_err().to_string().contains("elementwise"));
    let mut wild = Descent::gradient_descent(start(), 1e200);
    let error = (0..3).find_map(|_| wild.step(&quartic()).err()).unwrap().to_string();
    assert!(error.contains("lower the rate"), "{error}");
    let mut none = Descent::ivon(Vector::zeros(2), 0.0, 0.1, 10.0);
    none.weight_decay = 0.0;
    assert!(
        none.step(&Quartic { fourth: vector(&[1.0; 2]), third: vector(&[0.0; 2]), second: vector(&[0.0; 2]), cross: 0.0 })
            .unwrap_err()
            .to_string()
            .contains("parameter 0")
    );
}
