//! Reshape: the same elements under other dimensions.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::ops::shared::check;
use crate::tensor::Tensor;

/// The shape of `x`.
#[derive(Debug)]
pub struct Saved {
    x: Shape,
    y: Shape,
}

/// The elements of `x` in the same order as a tensor of `dims`. No element is moved.
///
/// # Errors
/// If the product of `dims` is not the number of elements.
pub fn forward(_: &Context, x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let elements = dims.iter().fold(1usize, |product, dim| product.saturating_mul(*dim));
    if elements != x.shape().elements() {
        let message =
            format!("`x` is {}, {} elements, which do not make {dims:?}, {elements} elements", x.shape(), x.shape().elements());
        return Err(Error::shape("reshape", message));
    }
    if dims.len() > crate::core::shape::MAX_RANK {
        return Err(Error::shape(
            "reshape",
            format!("{dims:?} has {} dimensions; at most {} are possible", dims.len(), crate::core::shape::MAX_RANK),
        ));
    }
    Ok(x.reshaped(dims))
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, dims: &[usize]) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x, dims)?;
    let saved = Saved { x: *x.shape(), y: *y.shape() };
    Ok((y, saved))
}

/// `d_x += d_y` in the shape of `x`.
///
/// # Errors
/// As [`Adjoint::add`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient("reshape", cx, ("d_y", &d_y), saved.y)?;
    let contribution = d_y.reshaped(saved.x);
    drop(d_y);
    d_x.add(cx, contribution)
}
