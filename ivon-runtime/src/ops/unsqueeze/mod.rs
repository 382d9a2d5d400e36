//! Unsqueeze: a new axis of size 1.

use super::reshape;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::core::shape::MAX_RANK;
use crate::tensor::Tensor;

pub use super::reshape::Saved;

/// The elements of `x` with an axis of size 1 in this place. No element is moved.
///
/// # Errors
/// If `x` has fewer axes than that, or as many as a tensor may have.
pub fn forward(cx: &Context, x: &Tensor, axis: usize) -> Result<Tensor> {
    forward_saving(cx, x, axis).map(|(y, _)| y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axis: usize) -> Result<(Tensor, Saved)> {
    let mut dims = x.shape().to_vec();
    if axis > dims.len() || dims.len() == MAX_RANK {
        let message =
            format!("there is no place {axis} for another axis in `x`, which is {}; at most {MAX_RANK} are possible", x.shape());
        return Err(Error::shape("unsqueeze", message));
    }
    dims.insert(axis, 1);
    reshape::forward_saving(cx, x, &dims)
}

/// `d_x += d_y` in the shape of `x`.
///
/// # Errors
/// As [`Adjoint::add`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    reshape::backward(cx, saved, d_y, d_x).map_err(|e| e.within("unsqueeze"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::shape::Shape;
    use crate::ops::shared::specification::{f32_context, refused};

    #[test]
    fn an_axis_comes_in_every_place() {
        let cx = f32_context();
        let x = cx.zeros([2, 3]).unwrap();
        for (axis, dims) in [(0, [1, 2, 3]), (1, [2, 1, 3]), (2, [2, 3, 1])] {
            assert_eq!(forward(&cx, &x, axis).unwrap().shape(), &Shape::new(&dims));
        }
        refused(forward(&cx, &x, 3), &["unsqueeze", "[2, 3]", "3"]);
        refused(forward(&cx, &cx.zeros([1; 6]).unwrap(), 0), &["unsqueeze", "6"]);
    }
}
