//! The two nets of the experiments, and one way to train them.

use super::pictures::Examples;
use super::scale;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{cross_entropy, gelu_tanh, mse};
use ivon_runtime::prelude::*;

/// One number in, one number out: y = f(x) + noise, f a sum of bumps at random places. Their heights are learnt.
///
/// Bumps are local, so that heights that matter where there are no data keep their prior. A Gaussian with diagonal covariance over a net
/// of ReLU units cannot be uncertain between data (Foong et al. 2020, "On the Expressiveness of Approximate Inference in Bayesian Neural Networks").
#[variational]
pub struct Bumps<const HIDDEN: usize> {
    #[parameter(frozen, init = constant(3.0))]
    scale: Linear<1, HIDDEN, false>,
    /// The places of the bumps times their scale.
    #[parameter(frozen, init = uniform(13.0))]
    shift: Parameter<HIDDEN>,
    #[parameter(init = zeros)]
    height: Linear<HIDDEN, 1, false>,
    /// One over the variance of the noise.
    #[setting(100.0)]
    pub precision: f64,
}

#[variational]
impl<const HIDDEN: usize> Bumps<HIDDEN> {
    /// The features that the heights multiply, `[B, HIDDEN]`.
    pub fn features<B>(&self, x: Tensor<B, 1>) -> Tensor<B, HIDDEN> {
        let u = self.scale.forward(x) + self.shift;
        exp(-0.5 * u * u)
    }

    /// f(x), `[B, 1]`.
    pub fn forward<B>(&self, x: Tensor<B, 1>) -> Tensor<B, 1> {
        self.height.forward(self.features(x))
    }

    /// The mean negative log-likelihood up to its constant.
    pub fn loss<B>(&self, x: Tensor<B, 1>, y: Tensor<B, 1>) -> Tensor {
        mse(self.forward(x), y) * self.precision * 0.5
    }
}

/// One number in, one number out, through a hidden layer of tanh units.
#[variational]
pub struct Regressor<const HIDDEN: usize> {
    #[parameter(weight_decay = 0.02, init = normal(1.5))]
    one: Linear<1, HIDDEN>,
    #[parameter(weight_decay = 0.02)]
    out: Linear<HIDDEN, 1>,
    /// One over the variance of the noise.
    #[setting(100.0)]
    pub precision: f64,
}

#[variational]
impl<const HIDDEN: usize> Regressor<HIDDEN> {
    /// f(x), `[B, 1]`.
    pub fn forward<B>(&self, x: Tensor<B, 1>) -> Tensor<B, 1> {
        self.out.forward(tanh(self.one.forward(x)))
    }

    /// The mean negative log-likelihood up to its constant.
    pub fn loss<B>(&self, x: Tensor<B, 1>, y: Tensor<B, 1>) -> Tensor {
        mse(self.forward(x), y) * self.precision * 0.5
    }
}

/// Numbers in, one of some classes out.
#[variational]
pub struct Classifier<const IN: usize, const HIDDEN: usize, const CLASSES: usize> {
    one: Linear<IN, HIDDEN>,
    two: Linear<HIDDEN, HIDDEN>,
    out: Linear<HIDDEN, CLASSES>,
}

#[variational]
impl<const IN: usize, const HIDDEN: usize, const CLASSES: usize> Classifier<IN, HIDDEN, CLASSES> {
    /// Scores of the classes, `[B, CLASSES]`.
    pub fn logits<B>(&self, x: Tensor<B, IN>) -> Tensor<B, CLASSES> {
        let h = gelu_tanh(self.one.forward(x));
        let h = gelu_tanh(self.two.forward(h));
        self.out.forward(h)
    }

    /// The mean negative log-likelihood of the labels, in nats.
    pub fn loss<B>(&self, x: Tensor<B, IN>, y: Ids<B>) -> Tensor {
        cross_entropy(self.logits(x), y)
    }
}

/// Trains on shuffled batches for the steps of the schedule, or as many as the [scale](scale::steps) says; `after` sees every step and its loss.
///
/// # Errors
/// Those of the model and of the optimizer.
pub fn train(
    model: &Classifier,
    examples: &Examples,
    batch: usize,
    optimizer: &mut dyn Optimizer,
    schedule: &Schedule,
    mut after: impl FnMut(usize, f64, &mut dyn Optimizer) -> Result<()>,
) -> Result<()> {
    let mut order = examples.shuffled(batch);
    for step in 0..scale::steps(schedule.steps) {
        let (x, y) = order.next_batch()?;
        let loss = optimizer.step_in_parts(schedule.at(step), &mut |cx, _| model.loss_gradient(cx, &x, &y))?;
        after(step, loss, optimizer)?;
    }
    Ok(())
}

/// Copies what an optimizer has learnt into another one of the same kind and model; its step count too.
///
/// # Errors
/// If the models differ.
pub fn copy(from: &dyn Optimizer, to: &mut dyn Optimizer) -> Result<()> {
    to.restore(&mut |state| {
        for (name, values) in from.state().buffers() {
            state.buffer_mut(name)?.copy_from_slice(&values);
        }
        state.set_step(from.state().step());
        Ok(())
    })
}
