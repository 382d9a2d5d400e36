//! The gradient of one value in a backward pass.

use crate::context::Context;
use crate::context::elementwise;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::tensor::Tensor;
use crate::tensor::parameter::Parameter;
use std::sync::Arc;

/// The gradient of the loss with respect to one value, summed over the value's uses.
///
/// It is empty at first; the first contribution is written or moved in, later ones are added. The adjoint of a parameter is
/// its place in the gradient buffer and is always added to.
#[derive(Debug)]
pub struct Adjoint {
    slot: Slot,
    /// Set where the value is an elementwise function of another value: a contribution may then be multiplied by the function's
    /// slope.
    function: Option<Function>,
    /// The name of the parameter, if the sum is its place in the gradient buffer.
    parameter: Option<Arc<str>>,
}

/// y = f(argument), elementwise. A contribution to the adjoint of y, multiplied by f'(argument), is a contribution to the adjoint
/// of `argument`.
#[derive(Debug)]
struct Function {
    /// The name on which the op that made the adjoint and the contributing ops agree.
    name: &'static str,
    argument: Tensor,
    /// A contribution that is already multiplied by f'(argument).
    multiplied: Option<Tensor>,
}

#[derive(Debug)]
enum Slot {
    /// Not needed: ids, data, frozen parameters.
    Skip,
    Empty,
    Sum(Tensor),
}

impl Adjoint {
    /// Creates an adjoint without contributions.
    #[allow(clippy::new_without_default)] // `skip` is as good a default
    pub fn new() -> Self {
        Slot::Empty.into()
    }

    /// Creates an adjoint that is not needed: ops skip its computation.
    pub fn skip() -> Self {
        Slot::Skip.into()
    }

    /// Creates an empty adjoint if it is wanted, otherwise one that ops skip.
    pub fn when(wanted: bool) -> Self {
        if wanted { Adjoint::new() } else { Adjoint::skip() }
    }

    /// Creates an adjoint with this contribution.
    pub fn of(contribution: Tensor) -> Self {
        Slot::Sum(contribution).into()
    }

    /// Creates the adjoint of a parameter. Its sum is the parameter's place in the gradient buffer, and all contributions are
    /// added to it.
    pub(crate) fn of_parameter(place: Tensor, parameter: &Parameter) -> Self {
        Adjoint { parameter: Some(parameter.shared_name()), ..Adjoint::of(place) }
    }

    /// Creates the adjoint of y = f(`argument`), elementwise, for the function `name`. An op that contributes to it and knows the
    /// function may multiply its contribution by f'(`argument`) in its own kernel.
    pub fn of_function(name: &'static str, argument: Tensor) -> Self {
        Adjoint { function: Some(Function { name, argument, multiplied: None }), ..Adjoint::new() }
    }

    /// Returns the argument if the value is the function `name` and has no contribution yet. The caller may then use
    /// [`Adjoint::add_multiplied`] instead of [`Adjoint::target`].
    pub fn argument_of(&self, name: &str) -> Option<&Tensor> {
        let function = self.function.as_ref().filter(|function| function.name == name && function.multiplied.is_none())?;
        self.is_empty().then_some(&function.argument)
    }

    /// Takes the first contribution, already multiplied by the slope of the function.
    ///
    /// # Panics
    /// If [`Adjoint::argument_of`] has not returned an argument: a mistake in an op.
    pub fn add_multiplied(&mut self, contribution: Tensor) {
        match &mut self.function {
            Some(Function { multiplied: multiplied @ None, .. }) => *multiplied = Some(contribution),
            _ => panic!("a contribution multiplied by a slope was given to an adjoint that takes none"),
        }
    }

    /// Returns the contribution that was multiplied by the slope, and the sum of all others. For the op that made the adjoint
    /// with [`Adjoint::of_function`].
    pub fn into_parts(mut self) -> (Option<Tensor>, Option<Tensor>) {
        (self.function.take().and_then(|function| function.multiplied), self.into_option())
    }

    /// True if the gradient is needed.
    pub fn wanted(&self) -> bool {
        !matches!(self.slot, Slot::Skip)
    }

    /// True if the sum has no contribution yet.
    pub fn is_empty(&self) -> bool {
        matches!(self.slot, Slot::Empty)
    }

    /// Returns the tensor for a kernel's contribution, and whether the kernel must add to it (`true`) or overwrite it (`false`).
    /// Returns `None` if the adjoint is not wanted.
    ///
    /// # Errors
    /// Those of [`Context::empty`]. If the sum so far has a different number of elements. If it is the adjoint of a parameter and
    /// its memory is shared: a copy would not reach the gradient buffer.
    #[track_caller]
    pub fn target(&mut self, cx: &Context, shape: impl Into<Shape>) -> Result<Option<(&mut Tensor, bool)>> {
        let shape = shape.into();
        let add = match &self.slot {
            Slot::Skip => return Ok(None),
            Slot::Empty => {
                self.slot = Slot::Sum(cx.empty(shape)?);
                false
            }
            Slot::Sum(sum) => {
                if sum.shape().elements() != shape.elements() {
                    let message = format!("a contribution of shape {shape} is added to a sum of shape {}", sum.shape());
                    return Err(Error::shape("Adjoint::target", message));
                }
                if !sum.is_unique() {
                    if sum.is_place() {
                        let name = self.parameter.as_ref().map_or("a parameter".into(), |name| format!("`{name}`"));
                        let message = "another tensor on it, or a slice of its buffer, is still held, and the backward pass adds to it: drop \
                                       it before, and take its values with `to_f64` instead of keeping it";
                        return Err(Error::value(format!("the gradient of {name}"), message));
                    }
                    // Another tensor still reads this memory: add to a copy.
                    self.slot = Slot::Sum(elementwise::copy(cx, sum)?);
                }
                true
            }
        };
        match &mut self.slot {
            Slot::Sum(sum) => Ok(Some((sum, add))),
            _ => Ok(None),
        }
    }

    /// Adds a contribution. The first one is moved in without a copy.
    pub fn add(&mut self, cx: &Context, contribution: Tensor) -> Result<()> {
        match &self.slot {
            Slot::Skip => Ok(()),
            Slot::Empty => {
                self.slot = Slot::Sum(contribution);
                Ok(())
            }
            Slot::Sum(_) => {
                let Some((sum, _)) = self.target(cx, *contribution.shape())? else { return Ok(()) };
                elementwise::add_assign(cx, sum, &contribution)
            }
        }
    }

    /// Adds the sum of another adjoint of the same value.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn merge(&mut self, cx: &Context, other: Adjoint) -> Result<()> {
        if self.is_empty() && other.parameter.is_some() {
            self.parameter = other.parameter.clone();
        }
        match other.into_option() {
            Some(sum) => self.add(cx, sum),
            None => Ok(()),
        }
    }

    /// Returns the sum over all uses of the value `name`.
    ///
    /// # Errors
    /// If nothing contributed: an op that uses the value has left its gradient out.
    pub fn into_sum(self, name: &str) -> Result<Tensor> {
        self.into_option().ok_or_else(|| {
            let message = "no op gave this value a gradient: the `backward` of an op that uses it leaves one out";
            Error::value(format!("the gradient of `{name}`"), message)
        })
    }

    /// Returns the sum, or zeros of this shape if nothing contributed.
    pub fn into_tensor(self, cx: &Context, shape: impl Into<Shape>) -> Result<Tensor> {
        match self.into_option() {
            Some(sum) => Ok(sum),
            None => cx.zeros(shape),
        }
    }

    /// Returns the sum, if anything contributed.
    pub fn into_option(self) -> Option<Tensor> {
        let lost = self.function.is_some_and(|function| function.multiplied.is_some());
        assert!(!lost, "the adjoint of a function was not given back to the op that made it");
        match self.slot {
            Slot::Sum(sum) => Some(sum),
            _ => None,
        }
    }
}

impl From<Slot> for Adjoint {
    fn from(slot: Slot) -> Self {
        Adjoint { slot, function: None, parameter: None }
    }
}

impl From<Tensor> for Adjoint {
    fn from(sum: Tensor) -> Self {
        Adjoint::of(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::flat::{Flat, Layout};
    use crate::core::dtype::DType;
    use crate::optimizers::tests::Bowl;
    use crate::tensor::parameter::Model;

    #[test]
    fn a_shared_gradient_is_refused_however_its_adjoint_is_passed_on() {
        type PassOn = fn(&Context, Adjoint) -> Adjoint;
        let passed_on: [(&str, PassOn); 4] = [
            ("as it is", |_, adjoint| adjoint),
            ("merged", |cx, adjoint| {
                let mut merged = Adjoint::new();
                merged.merge(cx, adjoint).unwrap();
                merged
            }),
            ("taken out", |_, adjoint| Adjoint::of(adjoint.into_option().unwrap())),
            ("added", |cx, adjoint| {
                let mut sum = Adjoint::new();
                sum.add(cx, adjoint.into_sum("w").unwrap()).unwrap();
                sum
            }),
        ];
        let cx = Context::new(crate::device::Device::Cpu, DType::F32).unwrap();
        let model = Bowl::new(3);
        let parameter = model.parameters()[0];
        let gradient = Flat::zeros(&Layout::of(&model), DType::F32).unwrap();
        cx.set_gradient(Some(&gradient));
        let one = Tensor::from_slice(&vec![1.0f32; parameter.shape().elements()], *parameter.shape()).unwrap();
        for (i, (name, pass_on)) in passed_on.into_iter().enumerate() {
            let mut adjoint = pass_on(&cx, cx.gradient(parameter).unwrap());
            adjoint.add(&cx, one.clone()).unwrap();
            let place = adjoint.into_option().unwrap();
            assert!(place.to_f64().iter().all(|sum| *sum == i as f64 + 1.0), "{name}");
            let held = place.clone();
            let mut adjoint = pass_on(&cx, Adjoint::of_parameter(place, parameter));
            let error = adjoint.add(&cx, one.clone()).expect_err(name).to_string();
            assert!(error.contains("gradient of") && error.contains("still held"), "{name}: {error}");
            drop(held);
        }
    }
}
