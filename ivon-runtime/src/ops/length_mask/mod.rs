//! A mask of lengths.

use super::one_hot::with_last;
use crate::context::Context;
use crate::core::error::Result;
use crate::ops::shared::check;
use crate::ops::shared::patterns;
use crate::ops::shared::patterns::Pattern;
use crate::tensor::Tensor;

/// y\[.., t\] is 1 where t is below the length, else 0, for `steps` values of t. It has no gradient.
///
/// # Errors
/// If `lengths` holds no ids.
pub fn forward(cx: &Context, steps: usize, lengths: &Tensor) -> Result<Tensor> {
    check::ids("length_mask", "lengths", lengths)?;
    patterns::make("length_mask", cx, Some(lengths), (with_last("length_mask", lengths, steps)?, steps), Pattern::Below)
}
