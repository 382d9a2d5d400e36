//! The models that the command knows, each with the flags of its kind.

use clap::{Args, Subcommand};
use ivon_runtime::{Error, Result};
use std::ffi::OsString;

/// A model by name, and what was said of it: `T` of a language model.
#[derive(Subcommand, Debug)]
pub enum Models<T: Args> {
    /// The language model GPT-2, on text
    Gpt2(Box<T>),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// The names, in the order of help texts.
pub const NAMES: [&str; 1] = ["gpt2"];

/// The refusal of a name that is none.
///
/// # Errors
/// Always.
pub fn unknown<R>(words: &[OsString]) -> Result<R> {
    let name = words.first().map_or(String::new(), |w| w.to_string_lossy().into_owned());
    Err(Error::config(format!("there is no model `{name}`; the models are {}", NAMES.join(", "))))
}
