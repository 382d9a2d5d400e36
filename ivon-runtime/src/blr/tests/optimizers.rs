//! The optimizers that train networks follow the f64 rules of this module, noise for noise.

use super::super::*;
use super::*;
use crate::context::Context;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::optimizers::{AdamW, AdamWConfig, HessianEstimate, Ivon, IvonConfig, Optimizer, Settings, Sgd, SgdConfig};
use crate::tensor::parameter::{Builder, Init, Model, Options, Parameter};

/// A loss of this module as a model with one parameter `[d]`.
struct Fit {
    loss: LogisticRegression,
    theta: Parameter,
}

impl Fit {
    fn new(weight_decay: f64) -> Fit {
        let x = inputs(61, 50, 3);
        let y = (&x * vector(&[1.0, -2.0, 0.5]) + normals(62, 50)).map(|f| f64::from(f > 0.0));
        let options = Options { init: Some(Init::Zeros), weight_decay: Some(weight_decay), ..Options::default() };
        Fit { loss: LogisticRegression::new(x, y).unwrap(), theta: Builder::new().parameter("theta", [3], options) }
    }

    fn gradient(&self, cx: &Context) -> Result<f64> {
        let theta = Vector::from_vec(cx.sample(&self.theta)?.to_f64());
        let mut adjoint = cx.gradient(&self.theta)?;
        if let Some((target, _)) = adjoint.target(cx, *self.theta.shape())? {
            let gradient = self.loss.gradient(&theta) * cx.loss_scale();
            target.as_mut_slice::<f64>().iter_mut().zip(&gradient).for_each(|(t, g)| *t += g);
        }
        Ok(self.loss.value(&theta))
    }
}

impl Model for Fit {
    const NAME: &'static str = "Fit";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        visit(&self.theta);
    }
}

const SETTINGS: Settings =
    Settings { seed: 7, device: crate::device::Device::Cpu, dtype: DType::F64, micro_batches: 1, grad_clip: None };

fn buffer(optimizer: &impl Optimizer, name: &str) -> Vector {
    let values = optimizer.state().unpadded(name);
    Vector::from_iterator(values.len(), values.into_iter().map(f64::from))
}

/// Fifty steps; the state of an optimizer is f32, so the two may drift apart by that.
fn follows(fit: &Fit, mut optimizer: impl Optimizer, mut rule: Descent, lr: f64) {
    for _ in 0..50 {
        let loss = optimizer.step(lr, |cx| fit.gradient(cx)).unwrap();
        assert_number(loss, rule.step(&fit.loss).unwrap(), 2e-5);
        assert_close(&buffer(&optimizer, "mean"), &rule.mean, 2e-5);
    }
    assert!(rule.mean.amax() > 0.1, "nothing was learnt");
    if optimizer.name() == "ivon" {
        assert_close(
            &buffer(&optimizer, "hessian"),
            &rule.precision().diagonal().map(|s| s / rule.ess - rule.weight_decay),
            2e-5,
        );
    }
}

#[test]
fn ivon() {
    for (estimate, curvature) in
        [(HessianEstimate::Price, Curvature::Price), (HessianEstimate::GradSq, Curvature::GradSq { scale: 50.0 })]
    {
        let fit = Fit::new(0.02);
        let config =
            IvonConfig { hess_init: 0.3, beta2: 0.95, clip_radius: Some(2.0), samples: 3, estimate, ..IvonConfig::new(50.0) };
        let rule = Descent {
            weight_decay: 0.02,
            hessian_rate: 1.0 - 0.95,
            clip: 2.0,
            expectation: Expectation::MonteCarlo { samples: 3, seed: 7 },
            curvature,
            ..Descent::ivon(Vector::zeros(3), 0.3, 0.2, 50.0)
        };
        follows(&fit, Ivon::new(&fit, config, SETTINGS).unwrap(), rule, 0.2);
    }
}

#[test]
fn adamw_without_decay() {
    let fit = Fit::new(0.0);
    let config = AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() };
    let rule = Descent::adam(Vector::zeros(3), 0.05, 0.9, 0.999, 1e-8);
    follows(&fit, AdamW::new(&fit, config, SETTINGS).unwrap(), rule, 0.05);
}

#[test]
fn sgd_without_momentum() {
    let fit = Fit::new(0.0);
    let config = SgdConfig { momentum: 0.0, ..SgdConfig::default() };
    follows(&fit, Sgd::new(&fit, config, SETTINGS).unwrap(), Descent::gradient_descent(Vector::zeros(3), 0.3), 0.3);
}
