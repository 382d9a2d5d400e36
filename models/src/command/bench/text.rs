//! `ivon bench gpt2`: on random tokens.

use super::{Measurement, Subject};
use crate::command::flags::{BatchFlags, Defaults, SizeFlags};
use crate::command::memory;
use crate::gpt2::Gpt2;
use clap::Args;
use ivon_runtime::noise::philox;
use ivon_runtime::{Result, Tensor};
use serde_json::json;

/// Size of model and batch.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Text {
    #[command(flatten)]
    size: SizeFlags,
    #[command(flatten)]
    batch: BatchFlags,
    #[command(flatten)]
    measurement: Measurement,
}

impl Text {
    /// Measures and prints.
    ///
    /// # Errors
    /// If flags and model do not go together.
    pub fn run(&self) -> Result<()> {
        let dimensions = self.size.dimensions(None)?;
        let BatchFlags { batch, micro_batches, .. } = self.batch;
        let (seq, rows) = (self.batch.seq(dimensions.context)?, self.batch.rows()?);
        memory::check_training(dimensions.parameters())?;
        let model = Gpt2::of(&dimensions)?;
        let (ids, targets) = (random_ids(dimensions.vocab, rows, seq, 0)?, random_ids(dimensions.vocab, rows, seq, 1)?);
        let preset = self.size.preset_name();
        let subject = Subject {
            model: &model,
            about: json!({"model": "gpt2", "preset": preset, "batch": batch, "seq": seq}),
            name: format!("gpt2 {preset}"),
            micro_batches,
            examples: (batch * seq, "tokens"),
            gradient: &|cx| model.loss_gradient(cx, &ids, &targets),
        };
        self.measurement.run(&subject, &Defaults::text())
    }
}

/// Uniform token ids, `[rows, seq]`.
fn random_ids(vocab: usize, rows: usize, seq: usize, stream: u32) -> Result<Tensor> {
    let id = |i: usize| ((u64::from(philox([0; 2], [i as u32, 0, stream, 0])[0]) * vocab as u64) >> 32) as u32;
    let ids: Vec<u32> = (0..rows * seq).map(id).collect();
    Tensor::from_slice(&ids, [rows, seq])
}
