//! The buffers of a pass: weights, gradient buffer, running statistics.

use super::Context;
use crate::context::adjoint::Adjoint;
use crate::context::elementwise;
use crate::context::flat::Flat;
use crate::core::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::parameter::{Buffer, Parameter};

impl Context {
    /// Sets the weights that [`Context::sample`] reads from now on: a sample of the posterior, or its mean.
    pub fn set_weights(&self, weights: &Flat) {
        *self.weights.borrow_mut() = Some(weights.share());
    }

    /// Sets the buffer to which backward passes add gradients. Without a buffer they compute none.
    pub fn set_gradient(&self, gradient: Option<&Flat>) {
        *self.gradient.borrow_mut() = gradient.map(Flat::share);
    }

    /// Returns the weights of a parameter in this pass: theta = mean + sigma · noise, or the mean if the mean is in use. They
    /// have the type in which they are stored, as an op's argument `Weight<..>` expects.
    ///
    /// # Errors
    /// If no weights were set, or those of another model.
    pub fn weight(&self, parameter: &Parameter) -> Result<Tensor> {
        let weights = self.weights.borrow();
        let Some(weights) = weights.as_ref() else {
            return Err(Error::config(format!("`{}` has no weights here: call `set_weights` first", parameter.name())));
        };
        Self::check(weights, parameter)?;
        weights.lent(parameter)
    }

    /// Returns [`Context::weight`] in the type of activations, for ops that support no other.
    ///
    /// # Errors
    /// As [`Context::weight`].
    pub fn sample(&self, parameter: &Parameter) -> Result<Tensor> {
        let weight = self.weight(parameter)?;
        if weight.dtype() == self.dtype { Ok(weight) } else { elementwise::widen(self, &weight) }
    }

    /// [`Context::sample`] for an optional parameter.
    ///
    /// # Errors
    /// As [`Context::sample`].
    pub fn sample_if(&self, parameter: Option<&Parameter>) -> Result<Option<Tensor>> {
        parameter.map(|p| self.sample(p)).transpose()
    }

    /// Returns the adjoint that adds to the gradient of a parameter. It is skipped for frozen and absent parameters.
    ///
    /// # Errors
    /// If the gradient buffer belongs to another model. If a tensor or an adjoint on this gradient, or a slice of the buffer,
    /// still exists: a contribution would be lost.
    pub fn gradient<'a>(&self, parameter: impl Into<Option<&'a Parameter>>) -> Result<Adjoint> {
        match (self.gradient.borrow().as_ref(), parameter.into()) {
            (Some(gradient), Some(parameter)) if !parameter.frozen() => {
                Self::check(gradient, parameter)?;
                let place = gradient.only(parameter).map_err(|e| e.within("gradient"))?;
                self.reached.borrow_mut().insert(parameter.index());
                Ok(Adjoint::of_parameter(place, parameter))
            }
            _ => Ok(Adjoint::skip()),
        }
    }

    /// True if a backward pass has requested the gradient of the parameter with this index.
    pub(crate) fn has_reached(&self, parameter: usize) -> bool {
        self.reached.borrow().contains(&parameter)
    }

    fn check(flat: &Flat, parameter: &Parameter) -> Result<()> {
        let found = flat.layout().entries().get(parameter.index()).map(|e| &e.parameter);
        match found {
            Some(p) if p.name() == parameter.name() && p.shape() == parameter.shape() => Ok(()),
            _ => Err(Error::config(format!(
                "`{}` {} is not a parameter of the model whose weights are in use",
                parameter.name(),
                parameter.shape()
            ))),
        }
    }

    /// Sets the values of the model's buffers, in f32 and in the layout of
    /// [`Layout::of_buffers`](crate::context::flat::Layout::of_buffers).
    pub fn set_running_statistics(&self, running: Option<&Flat>) {
        *self.running.borrow_mut() = running.map(Flat::share);
    }

    /// Returns the values of a buffer to read, in f32 whatever the compute type. An op must not keep the tensor after its call,
    /// because the next pass may write there.
    ///
    /// # Errors
    /// If no running statistics were set, or those of another model.
    pub fn running(&self, buffer: &Buffer) -> Result<Tensor> {
        self.place(buffer, Flat::lent)
    }

    /// Returns the values of a buffer, in f32, to read and update in a gradient pass in training. Returns `None` in all other
    /// passes (evaluation, a dry run), which must not change the buffer.
    ///
    /// # Errors
    /// Those of [`Context::running`]. If a tensor on the buffer is still held.
    pub fn update_running(&self, buffer: &Buffer) -> Result<Option<Tensor>> {
        if !self.training() || self.gradient.borrow().is_none() || self.planning() {
            return Ok(None);
        }
        self.place(buffer, Flat::only).map(Some)
    }

    fn place(&self, buffer: &Buffer, tensor: fn(&Flat, &Parameter) -> Result<Tensor>) -> Result<Tensor> {
        let running = self.running.borrow();
        let Some(running) = running.as_ref() else {
            let message = format!("`{}` has no values here: call `set_running_statistics` first", buffer.name());
            return Err(Error::config(message));
        };
        match running.layout().entries().get(buffer.index()) {
            Some(e) if e.parameter.name() == buffer.name() && e.parameter.shape() == buffer.shape() => {
                tensor(running, buffer.place())
            }
            _ => Err(Error::config(format!(
                "`{}` {} is not a buffer of the model whose running statistics are in use",
                buffer.name(),
                buffer.shape()
            ))),
        }
    }
}
