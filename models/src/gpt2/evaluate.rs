//! What a trained model says of a text: its likelihood.

use super::Gpt2;
use crate::data::Batch;
use ivon_runtime::{Context, Result};
use rayon::prelude::*;

impl Gpt2 {
    /// log p(target | what came before) for every token of a batch, in nats.
    ///
    /// # Errors
    /// If the batch does not fit the model.
    pub fn log_likelihoods(&self, cx: &Context, batch: &Batch) -> Result<Vec<f64>> {
        cx.planned("Gpt2::log_likelihoods", &[&batch.ids], |cx| {
            let logits = self.forward(cx, &batch.ids)?; // [B, T, VOCAB]
            if cx.planning() {
                return Ok(vec![]);
            }
            let targets = batch.targets.as_slice::<u32>();
            let values = logits.to_f32()?;
            let rows = values.par_chunks(logits.shape().last());
            Ok(rows.zip(targets).map(|(row, target)| f64::from(row[*target as usize]) - log_sum_exp(row)).collect())
        })
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = row.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    let sum: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_does_not_overflow() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-9);
    }
}
