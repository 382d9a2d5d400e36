//! The identity matrix.

use crate::context::Context;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::ops::shared::patterns;
use crate::ops::shared::patterns::Pattern;
use crate::tensor::Tensor;

/// y\[i, j\] is 1 where i = j, else 0, for `n` values of each.
///
/// # Errors
/// As [`Context::empty`].
pub fn forward(cx: &Context, n: usize) -> Result<Tensor> {
    patterns::make("eye", cx, None, (Shape::new(&[n, n]), n), Pattern::Column)
}
