//! The average over all places of an image (Lin, Chen and Yan 2014).

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::{along, check};
use crate::tensor::Tensor;

/// The shape of `x`.
#[derive(Debug)]
pub struct Saved {
    x: Shape,
}

/// The places are the middle axis of \[B, H · W, C\].
fn places() -> Axes {
    Some(1).into()
}

fn flat(x: &Shape) -> Shape {
    Shape::new(&[x[0], x[1] * x[2], x[3]])
}

/// y\[b, c\] = mean over h and w of x\[b, h, w, c\].
///
/// # Errors
/// If `x` does not have four dimensions.
pub fn forward(cx: &Context, x: &Tensor) -> Result<Tensor> {
    check::float("global_average_pool", cx, &[("x", x)])?;
    check::dimensions("global_average_pool", ("x", x.shape()), &["B", "H", "W", "C"])?;
    let x = x.reshaped(flat(x.shape()));
    along::forward(cx, &x, places(), 1.0 / along::count(x.shape(), places()) as f64)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x)?, Saved { x: *x.shape() }))
}

/// `d_x += d_y / (H W)`, the same at every place.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient("global_average_pool", cx, ("d_y", &d_y), [saved.x[0], saved.x[3]])?;
    let places = along::count(&flat(&saved.x), places());
    along::repeat_over(cx, saved.x, (places, saved.x[3]), 1.0 / places as f64, &d_y, d_x)
}
