//! The likelihood of a text under a trained model.

use super::Gpt2;
use crate::data::Batch;
use ivon_runtime::{Context, Result, ops};

impl Gpt2 {
    /// log p(target | what came before) for every token of a batch, in nats. On a GPU it is computed there, and comes back as one number a token.
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn log_likelihoods(&self, cx: &Context, batch: &Batch) -> Result<Vec<f64>> {
        cx.planned("Gpt2::log_likelihoods", &[&batch.ids], |cx| {
            let logits = self.forward(cx, &batch.ids)?; // [B, T, VOCAB]
            let losses = ops::cross_entropy::rows(cx, &logits, &batch.targets)?;
            Ok(if cx.planning() { vec![] } else { losses.to_host()?.to_f64().into_iter().map(|loss| -loss).collect() })
        })
    }
}
