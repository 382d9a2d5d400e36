//! Squeeze: an axis of size 1 goes.

use super::reshape;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::ops::shared::check;
use crate::tensor::Tensor;

pub use super::reshape::Saved;

/// The elements of `x` without an axis of size 1. No element is moved.
///
/// # Errors
/// If `x` lacks the axis, or its size is not 1.
pub fn forward(cx: &Context, x: &Tensor, axis: usize) -> Result<Tensor> {
    forward_saving(cx, x, axis).map(|(y, _)| y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, axis: usize) -> Result<(Tensor, Saved)> {
    check::axis("squeeze", x.shape(), axis)?;
    let mut dims = x.shape().to_vec();
    match dims.remove(axis) {
        1 => reshape::forward_saving(cx, x, &dims),
        size => Err(Error::shape("squeeze", format!("axis {axis} of `x`, which is {}, has size {size}, not 1", x.shape()))),
    }
}

/// `d_x += d_y` in the shape of `x`.
///
/// # Errors
/// As [`Adjoint::add`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    reshape::backward(cx, saved, d_y, d_x).map_err(|e| e.within("squeeze"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::shape::Shape;
    use crate::ops::shared::specification::{f32_context, refused};

    #[test]
    fn an_axis_of_size_one_goes() {
        let cx = f32_context();
        let x = cx.zeros([2, 1, 3]).unwrap();
        assert_eq!(forward(&cx, &x, 1).unwrap().shape(), &Shape::new(&[2, 3]));
        refused(forward(&cx, &x, 2), &["squeeze", "axis 2", "[2, 1, 3]", "3, not 1"]);
        refused(forward(&cx, &x, 3), &["squeeze", "axis 3"]);
    }
}
