//! Flags for the data and the batches of a step.

use super::values::{MOST_ROWS, count};
use crate::command::memory;
use crate::data::{Corpus, Input, Marks, TokenFile, Tokenizer, check_overlap, embedded, files, read};
use clap::Args;
use ivon_runtime::{Error, Result};
use std::path::PathBuf;

/// The text.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct DataFlags {
    /// Text to learn: text or token files (nanoGPT's and llm.c's .bin), directories with all files in them, or patterns such as
    /// 'data/*.txt' [default: the text of this program's own repository]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,

    /// Text to validate with, in the same forms [default: the last tenth of --data]
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "data")]
    pub validation_data: Vec<PathBuf>,

    /// How special tokens that are written out in text, <|endoftext|>, are encoded with GPT-2's tokenizer
    #[arg(long, value_enum, default_value = "text")]
    pub special_tokens: Marks,
}

impl DataFlags {
    /// The files that are read.
    ///
    /// # Errors
    /// If a path does not exist or cannot be read, or a pattern matches nothing.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        Ok([files(&self.data)?, files(&self.validation_data)?].concat())
    }

    /// The tokenizer that wrote the token files among --data, where they say so and it is one.
    ///
    /// # Errors
    /// As [`DataFlags::files`], and if a token file is damaged.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>> {
        let opened = files(&self.data)?.iter().map(|file| TokenFile::recognise(file)).collect::<Result<Vec<_>>>()?;
        let mut said = opened.iter().flatten().filter_map(TokenFile::tokenizer);
        let first = said.next();
        Ok(first.filter(|first| said.all(|other| other == *first)))
    }

    /// Opens, encodes and splits the text to train on, for a model with this vocabulary, and says what is noteworthy about it.
    ///
    /// # Errors
    /// If it cannot be read, does not fit tokenizer or vocabulary, or is empty; if it is both trained on and validated with.
    pub fn load(&self, tokenizer: Tokenizer, vocab: usize) -> Result<Corpus> {
        let (training, validation) = self.inputs()?;
        let twice = check_overlap(&training, &validation)?;
        self.corpus(training, validation, tokenizer, vocab, twice)
    }

    /// [`DataFlags::load`], for a model that is not trained: it may be validated with what it was trained on.
    ///
    /// # Errors
    /// As there, but for text that is in both parts.
    pub fn load_to_evaluate(&self, tokenizer: Tokenizer, vocab: usize) -> Result<Corpus> {
        let (training, validation) = self.inputs()?;
        self.corpus(training, validation, tokenizer, vocab, vec![])
    }

    fn inputs(&self) -> Result<(Vec<Input>, Vec<Input>)> {
        let training = if self.data.is_empty() { vec![Input::Text(embedded())] } else { read(&self.data)? };
        Ok((training, read(&self.validation_data)?))
    }

    fn corpus(
        &self,
        training: Vec<Input>,
        validation: Vec<Input>,
        tokenizer: Tokenizer,
        vocab: usize,
        notes: Vec<String>,
    ) -> Result<Corpus> {
        let length = |input: &Input| match input {
            Input::Text(document) => document.bytes.len(),
            Input::Tokens(_) => 0, // stays on the disk
        };
        let bytes: usize = training.iter().chain(&validation).map(length).sum();
        memory::check(
            (bytes, "bytes of text"),
            2,
            "make a token file with `ivon prepare`, which takes little memory, and train on that",
        )?;
        let corpus = Corpus::new(training, validation, tokenizer, vocab, self.special_tokens)?;
        notes.iter().chain(&corpus.notes).for_each(|note| tell!("note: {note}"));
        Ok(corpus)
    }
}

/// The most examples of an update, in any number of micro-batches.
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
