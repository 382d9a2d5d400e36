//! AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), as PyTorch computes it.
//!
//! ```text
//! mean     = mean · (1 − lr · weight_decay)
//! momentum = beta1 · momentum + (1 − beta1) · g
//! variance = beta2 · variance + (1 − beta2) · g²
//! mean     = mean − lr / (1 − beta1^t) · momentum / (sqrt(variance) / sqrt(1 − beta2^t) + eps)
//! ```

use super::driver::require;
use super::point::{Number, Point, Rule, Step};
use crate::context::flat::Flat;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::setters::setters;
use crate::posterior::pass::{Compute, update_parts};
use crate::versions;
use serde::{Deserialize, Serialize};

/// The AdamW optimizer: 16 bytes a parameter, the gradient included.
pub type AdamW = Point<AdamWConfig>;

/// The hyper-parameters of [`AdamW`]; the defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdamWConfig {
    /// Decay of the momentum.
    pub beta1: f64,
    /// Decay of the mean square of the gradient.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Decoupled weight decay on tensors of two or more dimensions; 0 on others; a parameter's own wins.
    pub weight_decay: f64,
}

setters!(AdamWConfig { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 });

impl Default for AdamWConfig {
    fn default() -> Self {
        AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

impl Rule for AdamWConfig {
    const NAME: &'static str = "adamw";
    const BUFFERS: &'static [&'static str] = &["momentum", "variance"];
    const OPERATIONS: usize = 15;

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        require((0.0..1.0).contains(&self.beta1), "beta1", self.beta1, "at least 0 and below 1")?;
        require((0.0..1.0).contains(&self.beta2), "beta2", self.beta2, "at least 0 and below 1")?;
        require(self.eps > 0.0 && self.eps.is_finite(), "eps", self.eps, "a positive number")?;
        let decay = self.weight_decay;
        require(decay >= 0.0 && decay.is_finite(), "weight_decay", decay, "zero or a positive number")
    }

    fn update(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool {
        match step.dtype {
            DType::F64 => self.pass::<f64>(step, buffers, gradient),
            _ => self.pass::<f32>(step, buffers, gradient),
        }
    }

    fn on_gpu(&self) -> Option<(&'static str, Vec<Number>)> {
        let numbers = [self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2, self.eps];
        Some(("adamw", numbers.map(|x| Number::Float(x as f32)).into()))
    }

    fn debiased(&self, number: u32, lr: f64) -> [f64; 2] {
        let t = number as f64;
        [lr / (1.0 - self.beta1.powf(t)), 1.0 / (1.0 - self.beta2.powf(t)).sqrt()]
    }
}

#[derive(Clone, Copy)]
struct Constants {
    beta1: f32,
    take1: f32,
    beta2: f32,
    take2: f32,
    /// 1 − lr · weight_decay
    shrink: f32,
    /// lr / (1 − beta1^t)
    rate: f32,
    /// 1 / sqrt(1 − beta2^t)
    debias: f32,
    eps: f32,
    scale: f32,
}

impl AdamWConfig {
    fn pass<E: Compute>(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool {
        let [(_, mean), (_, momentum), (_, variance)] = buffers else { return false };
        let [rate, debias] = self.debiased(step.number, step.lr).map(|x| x as f32);
        let common = Constants {
            beta1: self.beta1 as f32,
            take1: (1.0 - self.beta1) as f32,
            beta2: self.beta2 as f32,
            take2: (1.0 - self.beta2) as f32,
            shrink: 1.0,
            rate,
            debias,
            eps: self.eps as f32,
            scale: step.scale,
        };
        let mut state = [mean, momentum, variance].map(|flat| flat.as_mut_slice::<f32>());
        let state = state.each_mut().map(|values| &mut **values);
        update_parts(step.layout, (state, &mut *gradient.as_mut_slice::<E>()), |i, _, (state, gradient)| {
            update(&Constants { shrink: (1.0 - step.lr * step.decays[i]) as f32, ..common }, state, gradient)
        })
    }
}

versions! {
    fn update<{ E: Compute } { E }>(c: &Constants, state: [&mut [f32]; 3], gradient: &mut [E]) -> bool {
        let [mean, momentum, variance] = state;
        let mut good = true;
        for (((mean, m), v), gradient) in mean.iter_mut().zip(momentum).zip(variance).zip(gradient) {
            let g = gradient.f32() * c.scale;
            *m = c.beta1 * *m + c.take1 * g;
            *v = c.beta2 * *v + c.take2 * (g * g);
            *mean = *mean * c.shrink - c.rate * (*m / (v.sqrt() * c.debias + c.eps));
            *gradient = E::of(0.0);
            good &= mean.abs() <= f32::MAX;
        }
        good
    }
}
