//! A model whose gradients are known, and what the tests of all optimizers share.

mod counts;
mod formulas;
mod order;
mod point;
mod prior;
mod safety;
mod signs;

use super::*;
use crate::tensor::parameter::{Builder, Init, Model, Options, Parameter};
use std::cell::RefCell;
use std::rc::Rc;

/// loss = ½ Σ a (theta − target)², with known a and target for each element, so that the gradient is a (theta − target) and
/// the Hessian is a.
pub struct Bowl {
    parameters: Vec<Parameter>,
}

impl Bowl {
    /// Sizes that are no multiple of 64, several chunks where `rows` is large, and one parameter of each kind.
    pub fn new(rows: usize) -> Bowl {
        let mut b = Builder::new();
        let normal = Options { init: Some(Init::Normal(0.5)), ..Options::default() };
        let parameters = vec![
            b.parameter("weight", [rows, 37], normal),
            b.parameter("bias", [91], normal),
            b.parameter("frozen", [3, 5], Options { frozen: Some(true), ..normal }),
            b.parameter("own", [2, 33], Options { weight_decay: Some(0.3), ..normal }),
        ];
        Bowl { parameters }
    }

    /// a and target of an element of a parameter.
    pub fn shape_of(parameter: usize, element: usize) -> (f64, f64) {
        let x = (parameter * 1000 + element) as f64;
        (1.0 + 0.5 * (x * 0.7).sin(), (x * 1.3).cos())
    }

    /// Adds the gradient of `share` times the loss into the context's buffer.
    pub fn gradient(&self, cx: &Context, share: f64) -> Result<f64> {
        let mut loss = 0.0;
        for p in &self.parameters {
            let theta = cx.sample(p)?.to_f64();
            let mut adjoint = cx.gradient(p)?;
            let terms = theta.iter().enumerate().map(|(i, theta)| {
                let (a, target) = Bowl::shape_of(p.index(), i);
                (0.5 * a * (theta - target).powi(2), a * (theta - target))
            });
            let (losses, gradients): (Vec<f64>, Vec<f64>) = terms.unzip();
            loss += share * losses.iter().sum::<f64>();
            let scale = share * cx.loss_scale();
            if let Some((target, _)) = adjoint.target(cx, *p.shape())? {
                match target.dtype() {
                    crate::core::dtype::DType::F64 => {
                        target.as_mut_slice::<f64>().iter_mut().zip(gradients).for_each(|(t, g)| *t += scale * g)
                    }
                    _ => target.as_mut_slice::<f32>().iter_mut().zip(gradients).for_each(|(t, g)| *t += (scale * g) as f32),
                }
            }
        }
        Ok(loss)
    }
}

impl Model for Bowl {
    const NAME: &'static str = "Bowl";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        self.parameters.iter().for_each(visit);
    }
}

/// The record of a tracer.
#[derive(Default)]
pub struct Seen {
    /// (noise, gradient) of each sample of the current step.
    pub samples: Vec<(Vec<f32>, Vec<f32>)>,
    pub steps: u32,
}

pub struct Recorder(pub Rc<RefCell<Seen>>);

impl Tracer for Recorder {
    fn sample(&mut self, _: u32, sample: u32, noise: &[f32], gradient: &[f32]) -> Result<()> {
        let mut seen = self.0.borrow_mut();
        if sample == 0 {
            seen.samples.clear();
        }
        seen.samples.push((noise.to_vec(), gradient.to_vec()));
        Ok(())
    }
    fn update(&mut self, step: u32, _: f64, _: &State) -> Result<()> {
        self.0.borrow_mut().steps = step;
        Ok(())
    }
}

/// The bits of everything that training changes.
pub fn bits(optimizer: &impl Optimizer) -> Vec<u32> {
    let state = optimizer.state();
    let buffers = state.buffers().flat_map(|(_, values)| values.to_vec());
    let all = buffers.chain(state.running_statistics().to_vec()).chain(state.weights.as_slice::<f32>().to_vec());
    all.map(|x| x.to_bits()).chain([state.step()]).collect()
}
