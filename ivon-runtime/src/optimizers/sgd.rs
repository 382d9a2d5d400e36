//! Stochastic gradient descent with momentum, as PyTorch computes it.
//!
//! ```text
//! g        = g + weight_decay · mean
//! momentum = momentum_decay · momentum + g
//! mean     = mean − lr · momentum                       (Nesterov: lr · (g + momentum_decay · momentum))
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

/// Stochastic gradient descent with momentum: 12 bytes a parameter, the gradient included.
pub type Sgd = Point<SgdConfig>;

/// The hyper-parameters of [`Sgd`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SgdConfig {
    /// Decay of the momentum. 0.9 by default; 0 for none.
    pub momentum: f64,
    /// True if the momentum looks ahead.
    pub nesterov: bool,
    /// Weight decay, added to the gradient, on tensors of two or more dimensions; 0 on others; a parameter's own wins.
    pub weight_decay: f64,
}

setters!(SgdConfig { momentum: f64, nesterov: bool, weight_decay: f64 });

impl Default for SgdConfig {
    fn default() -> Self {
        SgdConfig { momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }
}

impl Rule for SgdConfig {
    const NAME: &'static str = "sgd";
    const BUFFERS: &'static [&'static str] = &["momentum"];
    const OPERATIONS: usize = 7;

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        require((0.0..1.0).contains(&self.momentum), "momentum", self.momentum, "at least 0 and below 1")?;
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
        Some(("sgd", vec![Number::Float(self.momentum as f32), Number::Word(self.nesterov as u32)]))
    }

    fn debiased(&self, _: u32, lr: f64) -> [f64; 2] {
        [lr, 1.0]
    }
}

#[derive(Clone, Copy)]
struct Constants {
    keep: f32,
    rate: f32,
    decay: f32,
    scale: f32,
    /// The weights of the gradient and of the momentum in the step: (0, 1), with Nesterov (1, keep).
    mix: (f32, f32),
}

impl SgdConfig {
    fn pass<E: Compute>(&self, step: Step, buffers: &mut [(&'static str, Flat)], gradient: &mut Flat) -> bool {
        let [(_, mean), (_, momentum)] = buffers else { return false };
        let keep = self.momentum as f32;
        let mix = if self.nesterov { (1.0, keep) } else { (0.0, 1.0) };
        let common = Constants { keep, rate: step.lr as f32, decay: 0.0, scale: step.scale, mix };
        let mut state = [mean, momentum].map(|flat| flat.as_mut_slice::<f32>());
        let state = state.each_mut().map(|values| &mut **values);
        update_parts(step.layout, (state, &mut *gradient.as_mut_slice::<E>()), |i, _, (state, gradient)| {
            update(&Constants { decay: step.decays[i] as f32, ..common }, state, gradient)
        })
    }
}

versions! {
    fn update<{ E: Compute } { E }>(c: &Constants, state: [&mut [f32]; 2], gradient: &mut [E]) -> bool {
        let [mean, momentum] = state;
        let mut good = true;
        for ((mean, m), gradient) in mean.iter_mut().zip(momentum).zip(gradient) {
            let g = gradient.f32() * c.scale + c.decay * *mean;
            *m = c.keep * *m + g;
            *mean -= c.rate * (c.mix.0 * g + c.mix.1 * *m);
            *gradient = E::of(0.0);
            good &= mean.abs() <= f32::MAX;
        }
        good
    }
}
