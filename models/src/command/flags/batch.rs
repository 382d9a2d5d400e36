//! What a step sees.

use super::values::count;
use crate::data::{Corpus, Input, Tokenizer, embedded, files, read};
use clap::Args;
use ivon_runtime::{Error, Result};
use std::path::PathBuf;

/// The text.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct DataFlags {
    /// What to learn: text or token files (nanoGPT's and llm.c's .bin), folders with all files in them, or patterns such as 'data/*.txt'
    /// [default: the text of this program's own repository]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,

    /// What to validate with, in the same forms [default: the last tenth of --data]
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "data")]
    pub validation_data: Vec<PathBuf>,
}

impl DataFlags {
    /// The files that are read.
    ///
    /// # Errors
    /// If a path does not exist or cannot be read, or a pattern matches nothing.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        Ok([files(&self.data)?, files(&self.validation_data)?].concat())
    }

    /// Reads, encodes and splits the text, for a model with this vocabulary.
    ///
    /// # Errors
    /// If it cannot be read, does not fit tokenizer or vocabulary, or is empty.
    pub fn load(&self, tokenizer: Tokenizer, vocab: usize) -> Result<Corpus> {
        let training = if self.data.is_empty() { vec![Input::Text(embedded())] } else { read(&self.data)? };
        Corpus::new(training, read(&self.validation_data)?, tokenizer, vocab)
    }
}

/// Beyond these no memory holds a micro-batch's activations, and arithmetic on sizes would no longer be safe from overflow.
const MOST_ROWS: usize = 1 << 20;
const MOST_EXAMPLES: usize = 1 << 32;

/// Size and parts of a batch.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct BatchFlags {
    /// Sequences per update
    #[arg(long, value_name = "N", default_value = "12", value_parser = count)]
    pub batch: usize,

    /// Tokens per sequence, the model's context at most [default: the context]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    pub seq: Option<usize>,

    /// Parts that a batch is worked through in, to save memory; they divide the batch
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub micro_batches: usize,
}

impl BatchFlags {
    /// The length of a sequence.
    ///
    /// # Errors
    /// If it is longer than the model's context.
    pub fn seq(&self, context: usize) -> Result<usize> {
        match self.seq {
            Some(seq) if seq > context => Err(Error::config(format!(
                "--seq {seq} is longer than the model's context of {context}: shorten it, or use --context {seq}"
            ))),
            seq => Ok(seq.unwrap_or(context)),
        }
    }

    /// Sequences in a micro-batch.
    ///
    /// # Errors
    /// As [`rows`].
    pub fn rows(&self) -> Result<usize> {
        rows(self.batch, self.micro_batches, "sequences")
    }
}

/// Examples in a micro-batch: of a batch in so many parts.
///
/// # Errors
/// If the parts do not divide the batch, or are larger than any memory.
pub fn rows(batch: usize, parts: usize, examples: &str) -> Result<usize> {
    match (batch % parts, batch / parts) {
        (0, rows) if rows > MOST_ROWS || batch > MOST_EXAMPLES => Err(Error::config(format!(
            "--batch {batch} with --micro-batches {parts}: {rows} {examples} at once, {batch} an update; {MOST_ROWS} at once and \
             {MOST_EXAMPLES} an update are the most"
        ))),
        (0, rows) => Ok(rows),
        _ => Err(Error::config(format!(
            "--micro-batches {parts} does not divide --batch {batch} into equal parts; --batch {} would do",
            batch.div_ceil(parts).saturating_mul(parts)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_beyond_any_memory_are_refused() {
        let rows = |batch, micro_batches| BatchFlags { batch, seq: None, micro_batches }.rows();
        assert_eq!(rows(12, 3), Ok(4));
        for (batch, parts) in [(usize::MAX, 1), (1 << 60, 1 << 60), (usize::MAX, 2)] {
            assert!(rows(batch, parts).is_err(), "{batch} in {parts}");
        }
    }
}
