//! `ivon prepare`: text of any size into a token file that `ivon train`, nanoGPT and llm.c read.

use crate::data::{Encoding, Marks, TokenFormat, Tokenizer, files, prepare};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ivon_runtime::{Result, disk};
use serde_json::json;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Make a token file of text, once, so that training starts at once
#[derive(Args, Debug)]
pub struct Prepare {
    /// Text: files, directories with all files in them, or patterns such as 'books/*.txt'
    #[arg(value_name = "PATH", required = true)]
    data: Vec<PathBuf>,

    /// The token file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// How text becomes tokens
    #[arg(long, value_enum, default_value = "gpt2")]
    tokenizer: Tokenizer,

    /// How special tokens that are written out in text, <|endoftext|>, are encoded with GPT-2's tokenizer
    #[arg(long, value_enum, default_value = "text")]
    special_tokens: Marks,

    /// How tokens are written
    #[arg(long, value_enum, default_value = "llm.c")]
    format: TokenFormat,

    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Prepare {
    /// Encodes and writes.
    ///
    /// # Errors
    /// If a file cannot be read, encoded or written.
    pub fn run(&self) -> Result<()> {
        let files = files(&self.data)?;
        disk::apart(&self.out, files.iter().map(PathBuf::as_path))?;
        let total = files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let encoding = Encoding { tokenizer: self.tokenizer, marks: self.special_tokens, format: self.format };
        let prepared = prepare(&files, encoding, &self.out, |bytes| bar.set_position(bytes));
        bar.finish_and_clear();
        let prepared = prepared?;
        prepared.notes.iter().for_each(|note| tell!("note: {note}"));
        match self.json {
            true => {
                say!("{}", json!({"bytes": prepared.bytes, "tokens": prepared.tokens, "files": files.len(), "out": self.out}))?
            }
            false => say!("{} tokens of {} bytes in {}", prepared.tokens, prepared.bytes, self.out.display())?,
        }
        Ok(())
    }
}
