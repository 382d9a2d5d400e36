//! Losses whose truth is known: what the rules are checked on.

use super::gaussian::LOG_TWO_PI;
use super::loss::Loss;
use super::quadrature::trapezoid;
use super::{Expected, Matrix, Vector};
use crate::core::error::{Error, Result};

/// Examples `x` `[n, d]` with targets `y` `[n]`, checked once.
#[derive(Clone, Debug, PartialEq)]
struct Examples {
    x: Matrix,
    y: Vector,
}

impl Examples {
    fn new(at: &str, x: Matrix, y: Vector) -> Result<Self> {
        if x.nrows() != y.len() || y.is_empty() {
            return Err(Error::shape(
                at,
                format!("x has {} rows and y has {} elements; one or more examples are expected", x.nrows(), y.len()),
            ));
        }
        Ok(Self { x, y })
    }

    fn subset(&self, at: &str, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row >= self.y.len()) {
            return Err(Error::shape(at, format!("example {row} was asked for, there are {}", self.y.len())));
        }
        Self::new(at, self.x.select_rows(rows), self.y.select_rows(rows))
    }

    /// Σᵢ wᵢ xᵢ / n.
    fn mean_of_rows(&self, weights: &Vector) -> Vector {
        self.x.tr_mul(weights) / self.y.len() as f64
    }

    /// Σᵢ wᵢ xᵢ xᵢᵀ / n.
    fn mean_of_squares(&self, weights: &Vector) -> Matrix {
        self.x.tr_mul(&Matrix::from_diagonal(weights)) * &self.x / self.y.len() as f64
    }
}

/// Linear regression, y = xᵀθ + N(0, variance): ℓ(θ) = mean of (y − xᵀθ)² / (2 variance) + ½ log(2π variance).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearRegression {
    examples: Examples,
    variance: f64,
}

impl LinearRegression {
    /// From inputs `[n, d]`, targets `[n]` and the variance of the noise in them.
    ///
    /// # Errors
    /// When shapes do not fit or the variance is not positive.
    pub fn new(x: Matrix, y: Vector, variance: f64) -> Result<Self> {
        if variance.is_nan() || variance <= 0.0 {
            return Err(Error::value("LinearRegression", format!("the variance must be positive, found {variance}")));
        }
        Ok(Self { examples: Examples::new("LinearRegression", x, y)?, variance })
    }

    /// Some of the examples.
    ///
    /// # Errors
    /// When a row is out of range or there is none.
    pub fn subset(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { examples: self.examples.subset("LinearRegression", rows)?, ..self.clone() })
    }

    /// x `[n, d]`, y `[n]` and the variance.
    pub fn data(&self) -> (&Matrix, &Vector, f64) {
        (&self.examples.x, &self.examples.y, self.variance)
    }

    /// xᵀθ − y, `[n]`.
    fn residual(&self, theta: &Vector) -> Vector {
        &self.examples.x * theta - &self.examples.y
    }
}

impl Loss for LinearRegression {
    fn dimension(&self) -> usize {
        self.examples.x.ncols()
    }

    fn value(&self, theta: &Vector) -> f64 {
        let n = self.examples.y.len() as f64;
        0.5 * (self.residual(theta).norm_squared() / (n * self.variance) + self.variance.ln() + LOG_TWO_PI)
    }

    fn gradient(&self, theta: &Vector) -> Vector {
        self.examples.mean_of_rows(&(self.residual(theta) / self.variance))
    }

    fn hessian(&self, _theta: &Vector) -> Matrix {
        self.examples.mean_of_squares(&Vector::from_element(self.examples.y.len(), 1.0 / self.variance))
    }

    fn examples(&self) -> usize {
        self.examples.y.len()
    }

    fn example_gradient(&self, i: usize, theta: &Vector) -> Vector {
        let row = self.examples.x.row(i).transpose();
        let residual = row.dot(theta) - self.examples.y[i];
        row * (residual / self.variance)
    }

    /// A quadratic: E\[ℓ\] = ℓ(m) + ½ tr(∇²ℓ V).
    fn expected(&self, mean: &Vector, covariance: &Matrix) -> Option<Expected> {
        let hessian = self.hessian(mean);
        let value = self.value(mean) + 0.5 * hessian.component_mul(covariance).sum();
        Some(Expected { value, gradient: self.gradient(mean), hessian })
    }
}

/// Logistic regression, labels y in {0, 1}: ℓ(θ) = mean of log(1 + e^f) − y f, f = xᵀθ.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    examples: Examples,
    rule: Vec<(f64, f64)>,
}

impl LogisticRegression {
    /// From inputs `[n, d]` and labels `[n]`, 0 or 1.
    ///
    /// # Errors
    /// When shapes do not fit or a label is something else.
    pub fn new(x: Matrix, y: Vector) -> Result<Self> {
        if let Some(label) = y.iter().find(|label| **label != 0.0 && **label != 1.0) {
            return Err(Error::value("LogisticRegression", format!("labels are 0 or 1, found {label}")));
        }
        // The sigmoid has its poles at ±iπ, so with four points a unit errors are of order e^{−8π²/deviation of f}.
        Ok(Self { examples: Examples::new("LogisticRegression", x, y)?, rule: trapezoid(4) })
    }

    /// Some of the examples.
    ///
    /// # Errors
    /// When a row is out of range or there is none.
    pub fn subset(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { examples: self.examples.subset("LogisticRegression", rows)?, ..self.clone() })
    }

    fn logits(&self, theta: &Vector) -> Vector {
        &self.examples.x * theta
    }
}

/// 1 / (1 + e^{−f}).
fn sigmoid(f: f64) -> f64 {
    1.0 / (1.0 + (-f).exp())
}

/// log(1 + e^f) without overflow.
fn softplus(f: f64) -> f64 {
    f.max(0.0) + (-f.abs()).exp().ln_1p()
}

impl Loss for LogisticRegression {
    fn dimension(&self) -> usize {
        self.examples.x.ncols()
    }

    fn value(&self, theta: &Vector) -> f64 {
        self.logits(theta).zip_map(&self.examples.y, |f, y| softplus(f) - y * f).mean()
    }

    fn gradient(&self, theta: &Vector) -> Vector {
        self.examples.mean_of_rows(&self.logits(theta).zip_map(&self.examples.y, |f, y| sigmoid(f) - y))
    }

    fn hessian(&self, theta: &Vector) -> Matrix {
        self.examples.mean_of_squares(&self.logits(theta).map(|f| sigmoid(f) * sigmoid(-f)))
    }

    fn examples(&self) -> usize {
        self.examples.y.len()
    }

    fn example_gradient(&self, i: usize, theta: &Vector) -> Vector {
        let row = self.examples.x.row(i).transpose();
        let error = sigmoid(row.dot(theta)) - self.examples.y[i];
        row * error
    }

    /// θ enters through f = xᵀθ ~ N(xᵀm, xᵀVx) alone, so one-dimensional quadrature per example serves any
    /// dimension: to 1e-10 where f has a deviation of three or less (a test).
    fn expected(&self, mean: &Vector, covariance: &Matrix) -> Option<Expected> {
        let x = &self.examples.x;
        let n = self.examples.y.len();
        let (mut value, mut first, mut second) = (0.0, Vector::zeros(n), Vector::zeros(n));
        for i in 0..n {
            let row = x.row(i).transpose();
            let (center, deviation) = (row.dot(mean), row.dot(&(covariance * &row)).sqrt());
            for (e, w) in &self.rule {
                let f = center + deviation * e;
                value += w * (softplus(f) - self.examples.y[i] * f) / n as f64;
                let p = sigmoid(f);
                first[i] += w * (p - self.examples.y[i]);
                second[i] += w * p * (1.0 - p);
            }
        }
        Some(Expected { value, gradient: self.examples.mean_of_rows(&first), hessian: self.examples.mean_of_squares(&second) })
    }
}

/// A quartic, Σᵢ (aᵢθᵢ⁴ + bᵢθᵢ³ + cᵢθᵢ²) + k Σ_{i<j} θᵢ²θⱼ²: no quadratic, not convex where c is negative, and with all its
/// expectations known.
#[derive(Clone, Debug, PartialEq)]
pub struct Quartic {
    /// a, `[d]`.
    pub fourth: Vector,
    /// b, `[d]`.
    pub third: Vector,
    /// c, `[d]`.
    pub second: Vector,
    /// k.
    pub cross: f64,
}

impl Loss for Quartic {
    fn dimension(&self) -> usize {
        self.fourth.len()
    }

    fn value(&self, t: &Vector) -> f64 {
        let d = self.dimension();
        let own: f64 = (0..d).map(|i| ((self.fourth[i] * t[i] + self.third[i]) * t[i] + self.second[i]) * t[i] * t[i]).sum();
        let pairs: f64 = (0..d).flat_map(|i| (i + 1..d).map(move |j| (i, j))).map(|(i, j)| (t[i] * t[j]).powi(2)).sum();
        own + self.cross * pairs
    }

    fn gradient(&self, t: &Vector) -> Vector {
        let total = t.norm_squared();
        Vector::from_fn(self.dimension(), |i, _| {
            let own = ((4.0 * self.fourth[i] * t[i] + 3.0 * self.third[i]) * t[i] + 2.0 * self.second[i]) * t[i];
            own + 2.0 * self.cross * t[i] * (total - t[i] * t[i])
        })
    }

    fn hessian(&self, t: &Vector) -> Matrix {
        let total = t.norm_squared();
        Matrix::from_fn(self.dimension(), self.dimension(), |i, j| {
            if i == j {
                let own = (12.0 * self.fourth[i] * t[i] + 6.0 * self.third[i]) * t[i] + 2.0 * self.second[i];
                own + 2.0 * self.cross * (total - t[i] * t[i])
            } else {
                4.0 * self.cross * t[i] * t[j]
            }
        })
    }

    /// Moments of a Gaussian (Isserlis): E\[θᵢ²\] = mᵢ² + vᵢᵢ, E\[θᵢ³\] = mᵢ³ + 3mᵢvᵢᵢ, E\[θᵢ⁴\] = mᵢ⁴ + 6mᵢ²vᵢᵢ + 3vᵢᵢ²,
    /// E\[θᵢθⱼ\] = mᵢmⱼ + vᵢⱼ, E\[θᵢθⱼ²\] = mᵢE\[θⱼ²\] + 2mⱼvᵢⱼ, E\[θᵢ²θⱼ²\] = E\[θᵢ²\]E\[θⱼ²\] + 4mᵢmⱼvᵢⱼ + 2vᵢⱼ².
    fn expected(&self, m: &Vector, v: &Matrix) -> Option<Expected> {
        let d = self.dimension();
        let square = Vector::from_fn(d, |i, _| m[i] * m[i] + v[(i, i)]);
        let others = |i: usize| (0..d).filter(move |j| *j != i);
        let value = (0..d)
            .map(|i| {
                let (m, v) = (m[i], v[(i, i)]);
                let fourth = m.powi(4) + 6.0 * m * m * v + 3.0 * v * v;
                self.fourth[i] * fourth + self.third[i] * (m.powi(3) + 3.0 * m * v) + self.second[i] * (m * m + v)
            })
            .sum::<f64>()
            + self.cross
                * (0..d)
                    .flat_map(|i| (i + 1..d).map(move |j| (i, j)))
                    .map(|(i, j)| square[i] * square[j] + 4.0 * m[i] * m[j] * v[(i, j)] + 2.0 * v[(i, j)].powi(2))
                    .sum::<f64>();
        let gradient = Vector::from_fn(d, |i, _| {
            let third = m[i].powi(3) + 3.0 * m[i] * v[(i, i)];
            let pairs: f64 = others(i).map(|j| m[i] * square[j] + 2.0 * m[j] * v[(i, j)]).sum();
            4.0 * self.fourth[i] * third
                + 3.0 * self.third[i] * square[i]
                + 2.0 * self.second[i] * m[i]
                + 2.0 * self.cross * pairs
        });
        let hessian = Matrix::from_fn(d, d, |i, j| {
            if i == j {
                let pairs: f64 = others(i).map(|j| square[j]).sum();
                12.0 * self.fourth[i] * square[i] + 6.0 * self.third[i] * m[i] + 2.0 * self.second[i] + 2.0 * self.cross * pairs
            } else {
                4.0 * self.cross * (m[i] * m[j] + v[(i, j)])
            }
        });
        Some(Expected { value, gradient, hessian })
    }
}
