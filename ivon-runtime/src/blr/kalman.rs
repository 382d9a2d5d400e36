//! The Kalman filter: Bayes' rule by addition, with a moving state.

use super::conjugate::{linear, posterior};
use super::gaussian::{FullGaussian, Gaussian};
use super::{Matrix, Vector};
use crate::core::error::{Error, Result};

/// The belief N(m, V) about a state that moves linearly and is seen linearly.
#[derive(Clone, Debug, PartialEq)]
pub struct Kalman {
    /// The belief after what was seen so far.
    pub state: FullGaussian,
}

impl Kalman {
    /// The state moves, x ← F x + N(0, Q): m ← F m, V ← F V Fᵀ + Q.
    ///
    /// # Errors
    /// When shapes do not fit or the new covariance is singular.
    pub fn predict(&mut self, f: &Matrix, q: &Matrix) -> Result<()> {
        let d = self.state.mean().len();
        if f.shape() != (d, d) || q.shape() != (d, d) {
            return Err(Error::shape(
                "Kalman::predict",
                format!("a state of {d} elements needs F and Q [{d}, {d}], found {:?} and {:?}", f.shape(), q.shape()),
            ));
        }
        let covariance = f * self.state.covariance() * f.transpose() + q;
        self.state = FullGaussian::from_covariance(f * self.state.mean(), covariance).map_err(|e| e.within("Kalman::predict"))?;
        Ok(())
    }

    /// The state is seen, y = H x + N(0, R): one step of the rule with ρ = 1. No gain appears; it is hidden in the way back
    /// from natural parameters.
    ///
    /// # Errors
    /// When shapes do not fit or R is not positive definite.
    pub fn update(&mut self, h: &Matrix, r: &Matrix, y: &Vector) -> Result<()> {
        self.state = posterior(&self.state, [linear(h, y, r)?]).map_err(|e| e.within("Kalman::update"))?;
        Ok(())
    }
}
