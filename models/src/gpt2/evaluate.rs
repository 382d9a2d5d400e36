//! What a trained model says: the likelihood of a text, and text of its own.

use super::Gpt2;
use crate::data::Batch;
use ivon_runtime::noise::philox;
use ivon_runtime::{Context, Result, Tensor};
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
            let rows = logits.as_slice::<f32>().par_chunks(logits.shape().last());
            Ok(rows.zip(targets).map(|(row, target)| f64::from(row[*target as usize]) - log_sum_exp(row)).collect())
        })
    }

    /// Continues `prompt` by `count` tokens, drawn at `temperature` (0 takes the likeliest) from a stream of `seed`.
    ///
    /// Every token costs a whole forward pass over the window that the model sees.
    ///
    /// # Errors
    /// If the prompt is empty or holds ids that the model does not have.
    pub fn generate(
        &self,
        cx: &Context,
        prompt: &[u16],
        count: usize,
        context: usize,
        temperature: f64,
        seed: u64,
    ) -> Result<Vec<u16>> {
        let mut text = prompt.to_vec();
        for i in 0..count {
            let window = &text[text.len().saturating_sub(context)..];
            // One shape for all windows, so that there is one plan: what comes after a position does not reach it.
            let mut ids: Vec<u32> = window.iter().map(|id| u32::from(*id)).collect();
            ids.resize(context, 0);
            let ids = Tensor::from_slice(&ids, [1, context])?;
            let last = window.len().saturating_sub(1);
            let logits = cx.planned("Gpt2::generate", &[&ids], |cx| {
                let logits = self.forward(cx, &ids)?; // [1, T, VOCAB]
                let vocab = logits.shape().last();
                Ok(if cx.planning() { vec![] } else { logits.as_slice::<f32>()[last * vocab..(last + 1) * vocab].to_vec() })
            })?;
            let [word, ..] = philox([seed as u32, (seed >> 32) as u32 ^ 0x7E47_5EED], [i as u32, 0, 0, 0]);
            text.push(draw(&logits, temperature, f64::from(word) / 2f64.powi(32)));
        }
        Ok(text.split_off(prompt.len()))
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = row.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    let sum: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

/// The id at which the cumulative probability passes `uniform`, which lies in 0..1.
fn draw(logits: &[f32], temperature: f64, uniform: f64) -> u16 {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    if temperature <= 0.0 {
        return logits.iter().position(|x| *x == largest).unwrap_or(0) as u16;
    }
    let weights: Vec<f64> = logits.iter().map(|x| (f64::from(x - largest) / temperature).exp()).collect();
    let mut left = uniform * weights.iter().sum::<f64>();
    let passes = |w: &f64| {
        left -= w;
        left < 0.0
    };
    weights.iter().position(passes).unwrap_or(logits.len() - 1) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.0, 1f32.ln(), 2f32.ln()]; // 1/4, 1/4, 1/2
        let at = |uniform| draw(&logits, 1.0, uniform);
        assert_eq!([0.0, 0.24, 0.26, 0.49, 0.51, 0.99].map(at), [0, 0, 1, 1, 2, 2]);
        assert_eq!(draw(&[0.0, 3.0, 1.0], 0.0, 0.9), 1);
        // At half the temperature the odds are squared: 1/6, 1/6, 4/6.
        assert_eq!(draw(&logits, 0.5, 0.34), 2);
    }

    #[test]
    fn log_sum_exp_does_not_overflow() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-9);
    }
}
