//! A loss without its noise.

use serde::{Deserialize, Serialize};

/// An exponential average over about the last 20 values, without a bias to its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Smooth {
    sum: f64,
    weight: f64,
}

impl Smooth {
    const KEEP: f64 = 0.95;

    /// Takes a value in.
    pub fn add(&mut self, x: f64) {
        self.sum = Self::KEEP * self.sum + (1.0 - Self::KEEP) * x;
        self.weight = Self::KEEP * self.weight + (1.0 - Self::KEEP);
    }

    /// The average; not a number before the first value.
    pub fn value(&self) -> f64 {
        self.sum / self.weight
    }
}
