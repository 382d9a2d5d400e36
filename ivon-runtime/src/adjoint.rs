//! Where a backward pass puts the gradient of one value.

use crate::context::Context;
use crate::error::Result;
use crate::ops;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The gradient of the loss with respect to one value, summed over the value's uses.
///
/// It is empty at first; the first contribution is written or moved in, later ones are added. The adjoint of a parameter is
/// its place in the gradient buffer and is always added to.
#[derive(Debug)]
pub struct Adjoint {
    slot: Slot,
}

#[derive(Debug)]
enum Slot {
    /// Nobody needs it: ids, data, frozen parameters.
    Skip,
    Empty,
    Sum(Tensor),
}

impl Adjoint {
    /// An adjoint without a contribution yet.
    #[allow(clippy::new_without_default)] // `skip` is as good a default
    pub fn new() -> Self {
        Adjoint { slot: Slot::Empty }
    }

    /// An adjoint that nobody needs: ops leave its computation out.
    pub fn skip() -> Self {
        Adjoint { slot: Slot::Skip }
    }

    /// An adjoint that has this contribution.
    pub fn of(contribution: Tensor) -> Self {
        Adjoint { slot: Slot::Sum(contribution) }
    }

    /// Whether anybody needs it.
    pub fn wanted(&self) -> bool {
        !matches!(self.slot, Slot::Skip)
    }

    /// Whether a contribution has arrived.
    pub fn is_empty(&self) -> bool {
        matches!(self.slot, Slot::Empty)
    }

    /// The tensor that a kernel puts its contribution into, and whether to add to it (`true`) or to overwrite it (`false`).
    /// `None` where the adjoint is not wanted.
    pub fn target(&mut self, cx: &Context, shape: impl Into<Shape>) -> Result<Option<(&mut Tensor, bool)>> {
        let add = match &self.slot {
            Slot::Skip => return Ok(None),
            Slot::Empty => {
                self.slot = Slot::Sum(cx.empty(shape)?);
                false
            }
            Slot::Sum(sum) => {
                // Somebody else still reads this memory: sum up in a copy.
                if !sum.is_unique() {
                    self.slot = Slot::Sum(ops::copy(cx, sum)?);
                }
                true
            }
        };
        match &mut self.slot {
            Slot::Sum(sum) => Ok(Some((sum, add))),
            _ => Ok(None),
        }
    }

    /// Adds a contribution; the first one is moved in without a copy.
    pub fn add(&mut self, cx: &Context, contribution: Tensor) -> Result<()> {
        match &self.slot {
            Slot::Skip => Ok(()),
            Slot::Empty => {
                self.slot = Slot::Sum(contribution);
                Ok(())
            }
            Slot::Sum(_) => {
                let Some((sum, _)) = self.target(cx, *contribution.shape())? else { return Ok(()) };
                ops::add_assign(cx, sum, &contribution)
            }
        }
    }

    /// The sum; zeros of this shape where nothing contributed.
    pub fn into_tensor(self, cx: &Context, shape: impl Into<Shape>) -> Result<Tensor> {
        match self.slot {
            Slot::Sum(sum) => Ok(sum),
            _ => cx.zeros(shape),
        }
    }

    /// The sum, if there is one.
    pub fn into_option(self) -> Option<Tensor> {
        match self.slot {
            Slot::Sum(sum) => Some(sum),
            _ => None,
        }
    }
}
