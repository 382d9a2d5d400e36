//! Cross-entropy of logits, fused with softmax.

#[cfg(test)]
mod tests;

use crate::ops::shared::entropy;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::tensor::Tensor;

pub use crate::ops::shared::entropy::IGNORE;

/// Logits, targets and the log-sum-exp of every row.
#[derive(Debug)]
pub struct Saved(entropy::Saved);

/// The mean over rows of ln(sum of e^z) - z_t, for the logits z \[.., CLASSES\] and the target t of each row: the negative
/// log-likelihood in nats. Rows whose target is [`IGNORE`] do not count. Micro-batches weigh by the rows that count ([`Context::counted`]).
///
/// # Errors
/// [`crate::core::error::Error::Id`] if a target is not below CLASSES; if shapes do not fit or no target counts.
pub fn forward(cx: &Context, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    Ok(forward_saving(cx, logits, targets)?.0)
}

/// The loss of each row, \[rows\], which [`forward`] is the mean of; 0 where the target is [`IGNORE`]. For what an average loss does not say: the
/// likelihood of every row under several samples.
///
/// # Errors
/// As [`forward`]; rows without any target are no error.
pub fn rows(cx: &Context, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    entropy::rows("cross_entropy::rows", cx, logits, targets)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Saved)> {
    let (loss, saved) = entropy::forward("cross_entropy", cx, logits, targets, 0.0)?;
    Ok((loss, Saved(saved)))
}

/// `d_logits += d_loss / rows · (softmax(z) - onehot(t))`, in place of the logits where nothing else reads them.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_loss: Tensor, d_logits: &mut Adjoint) -> Result<()> {
    entropy::backward("cross_entropy", cx, saved.0, d_loss, d_logits)
}
