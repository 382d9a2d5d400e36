//! The models that the command knows, each with the flags of its kind.

use crate::classifier::Architecture;
use clap::{Args, Subcommand};
use ivon_runtime::{Error, Result};
use std::ffi::OsString;

/// A model by name, and what was said of it: `T` of a language model, `P` of one for images.
#[derive(Subcommand, Debug)]
pub enum Models<T: Args, P: Args> {
    /// GPT-2, a language model: on text
    Gpt2(Box<T>),
    /// LeNet-5: on small images, such as digits
    Lenet(Box<P>),
    /// ResNet-20: on small images
    Resnet20(Box<P>),
    /// ResNet-18: on images
    Resnet18(Box<P>),
    /// ResNet-34: on images
    Resnet34(Box<P>),
    /// ResNet-50: on images
    Resnet50(Box<P>),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// The names, in the order of help texts.
pub const NAMES: [&str; 6] = ["gpt2", "lenet", "resnet20", "resnet18", "resnet34", "resnet50"];

/// The model that was chosen, by kind.
pub enum Chosen<'a, T, P> {
    /// The language model.
    Text(&'a T),
    /// One for images.
    Pictures(Architecture, &'a P),
}

impl<T: Args, P: Args> Models<T, P> {
    /// The model by kind.
    ///
    /// # Errors
    /// If no model has that name.
    pub fn chosen(&self) -> Result<Chosen<'_, T, P>> {
        let (architecture, pictures) = match self {
            Models::Gpt2(text) => return Ok(Chosen::Text(text)),
            Models::Lenet(pictures) => (Architecture::Lenet, pictures),
            Models::Resnet20(pictures) => (Architecture::Resnet20, pictures),
            Models::Resnet18(pictures) => (Architecture::Resnet18, pictures),
            Models::Resnet34(pictures) => (Architecture::Resnet34, pictures),
            Models::Resnet50(pictures) => (Architecture::Resnet50, pictures),
            Models::Other(words) => {
                let name = words.first().map_or(String::new(), |w| w.to_string_lossy().into_owned());
                return Err(Error::config(format!("there is no model `{name}`; the models are {}", NAMES.join(", "))));
            }
        };
        Ok(Chosen::Pictures(architecture, pictures))
    }
}
