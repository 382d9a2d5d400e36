//! Cross-entropy of logits x Wᵀ. Only the op sees the logits, so it chooses their layout in memory.
//!
//! On a GPU products are fast where rows are whole multiples of 16 bytes, which those of 50,257 classes are not. There the logits have longer rows,
//! and the products are taken with as many rows of zeros below W.

mod cuda;
#[cfg(test)]
mod tests;

use super::linear;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::ops::shared::{check, entropy};
use crate::tensor::Tensor;

/// The values that [`backward`] reads.
#[derive(Debug)]
pub struct Saved {
    product: linear::Saved,
    entropy: entropy::Saved,
    /// The rows of W, where the product has more.
    classes: usize,
}

/// The mean over rows of ln(sum of e^z) - z_t, for the logits z = x Wᵀ of `x` \[.., IN\] and `weight` \[CLASSES, IN\] and the target t of each row:
/// [`cross_entropy`](mod@super::cross_entropy) of [`linear`](mod@super::linear). Rows whose target is [`IGNORE`](super::cross_entropy::IGNORE) do not count.
///
/// # Errors
/// As those of both.
pub fn forward(cx: &Context, x: &Tensor, weight: &Tensor, targets: &Tensor) -> Result<Tensor> {
    Ok(forward_saving(cx, x, weight, targets)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, weight: &Tensor, targets: &Tensor) -> Result<(Tensor, Saved)> {
    const AT: &str = "linear_cross_entropy";
    check::weight(AT, cx, ("weight", weight))?;
    if weight.shape().rank() != 2 {
        let message = format!("`weight` is {} where two dimensions, [CLASSES, IN], are expected", weight.shape());
        return Err(Error::shape(AT, message));
    }
    let (classes, padded) = (weight.dim(0), cuda::padded(cx, weight)?);
    let (logits, product) = linear::forward_saving(cx, x, padded.as_ref().unwrap_or(weight), None)?;
    let (loss, entropy) = entropy::forward_of_first(AT, cx, &logits, classes, targets, 0.0)?;
    Ok((loss, Saved { product, entropy, classes }))
}

/// With d_z = d_loss / rows · (softmax(z) - onehot(t)): `d_x += d_z W`, `d_weight += d_zᵀ x`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_loss: Tensor, d_x: &mut Adjoint, d_weight: &mut Adjoint) -> Result<()> {
    let Saved { product, entropy, classes } = saved;
    let mut d_logits = Adjoint::when(d_x.wanted() || d_weight.wanted());
    entropy::backward("linear_cross_entropy", cx, entropy, d_loss, &mut d_logits)?;
    let Some(d_logits) = d_logits.into_option() else { return Ok(()) };
    let inputs = product.inputs();
    if d_logits.shape().last() == classes {
        return linear::backward(cx, product, d_logits, d_x, d_weight, &mut Adjoint::skip());
    }
    let mut longer = Adjoint::when(d_weight.wanted());
    linear::backward(cx, product, d_logits, d_x, &mut longer, &mut Adjoint::skip())?;
    match (longer.into_option(), d_weight.target(cx, [classes, inputs])?) {
        (Some(longer), Some((d_weight, add))) => cuda::first_rows(cx, &longer, d_weight, add),
        _ => Ok(()),
    }
}
