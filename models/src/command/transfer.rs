//! `ivon import` and `ivon export`: weights from other programs, and for them.

use crate::gpt2::{Convention, Stored};
use clap::Args;
use ivon_runtime::Result;
use std::path::PathBuf;

/// Make one weights file of ours out of a stored model
#[derive(Args, Debug)]
pub struct Import {
    /// A run, one of its checkpoints, a folder that Hugging Face's library saved, or a weights file of its, of nanoGPT's or of ours (safetensors)
    #[arg(value_name = "PATH")]
    from: PathBuf,

    /// The weights file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Attention heads, where nothing beside the weights says how many
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
}

/// Write a stored model for other programs: model.safetensors, config.json, and sigma.safetensors of a posterior
#[derive(Args, Debug)]
pub struct Export {
    /// A run, a weights file, or whatever else `import` takes
    #[arg(value_name = "PATH")]
    from: PathBuf,

    /// The folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Names and layouts of the tensors
    #[arg(long, value_enum, default_value = "hugging-face")]
    layout: Convention,

    /// Attention heads, where nothing beside the weights says how many
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
}

fn summary(stored: &Stored) -> String {
    let what = if stored.posterior.is_point() { "weights" } else { "mean and sigma" };
    format!("{what} of a GPT-2 of {}", stored.dimensions.summary())
}

impl Import {
    /// Reads and writes.
    ///
    /// # Errors
    /// If there is no such model, or the file cannot be written.
    pub fn run(&self) -> Result<()> {
        let stored = Stored::open(&self.from, self.heads)?;
        stored.write(&self.out)?;
        println!("{} in {}", summary(&stored), self.out.display());
        Ok(())
    }
}

impl Export {
    /// Reads and writes.
    ///
    /// # Errors
    /// If there is no such model, or the folder cannot be written.
    pub fn run(&self) -> Result<()> {
        let stored = Stored::open(&self.from, self.heads)?;
        stored.export(&self.out, self.layout)?;
        println!("{} in {}", summary(&stored), self.out.display());
        Ok(())
    }
}
