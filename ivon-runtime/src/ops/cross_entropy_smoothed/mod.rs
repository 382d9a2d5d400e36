//! Cross-entropy with smoothed labels (Szegedy et al. 2016), fused with softmax.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::Result;
use crate::ops::shared::check;
use crate::ops::shared::entropy;
use crate::tensor::Tensor;

pub use crate::ops::shared::entropy::IGNORE;

/// Logits, targets and the log-sum-exp of every row.
#[derive(Debug)]
pub struct Saved(entropy::Saved);

/// The mean over rows of the cross-entropy between the logits z \[.., CLASSES\] and (1 - s) onehot(t) + s / CLASSES, for the target t of
/// each row and s = `smoothing` in \[0, 1\]. Rows whose target is [`IGNORE`] do not count.
///
/// # Errors
/// [`crate::core::error::Error::Id`] if a target is not below CLASSES; if shapes do not fit, no target counts or `smoothing` is out of range.
pub fn forward(cx: &Context, logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, logits, targets, smoothing)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<(Tensor, Saved)> {
    check::number("cross_entropy_smoothed", "smoothing", smoothing, (0.0..=1.0).contains(&smoothing), "a number from 0 to 1")?;
    let (loss, saved) = entropy::forward("cross_entropy_smoothed", cx, logits, targets, smoothing)?;
    Ok((loss, Saved(saved)))
}

/// `d_logits += d_loss / rows · (softmax(z) - (1 - s) onehot(t) - s / CLASSES)`, in place of the logits where nothing else reads
/// them.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_loss: Tensor, d_logits: &mut Adjoint) -> Result<()> {
    entropy::backward("cross_entropy_smoothed", cx, saved.0, d_loss, d_logits)
}
