//! How large a language model is: a preset, and what differs from it.

use super::values::{count, fraction};
use crate::data::Tokenizer;
use crate::gpt2::{Dimensions, Preset};
use clap::Args;
use ivon_runtime::{Error, Result};

const PRESET: &str = "micro";

/// The dimensions of a language model.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
pub struct SizeFlags {
    /// Size: tiny, micro, nano, small (124M), medium (355M), large (774M), xl (1.5B) [default: micro]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,

    /// Number of blocks, instead of the preset's
    #[arg(long, value_name = "N", value_parser = count)]
    pub layers: Option<usize>,

    /// Width of the residual stream, instead of the preset's; the heads divide it
    #[arg(long, value_name = "N", value_parser = count)]
    pub width: Option<usize>,

    /// Attention heads, instead of the preset's
    #[arg(long, value_name = "N", value_parser = count)]
    pub heads: Option<usize>,

    /// The most tokens that the model looks at, instead of the preset's
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    pub context: Option<usize>,

    /// Number of token ids, instead of the preset's; at least as many as the tokenizer has
    #[arg(long, value_name = "N", value_parser = count)]
    pub vocab: Option<usize>,

    /// Leave the biases of linear layers and norms out
    #[arg(long)]
    pub no_bias: bool,
}

/// How text becomes ids.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
pub struct TokenizerFlags {
    /// How text becomes tokens [default: gpt2 for a vocabulary of 50257 or more, else bytes]
    #[arg(long, value_enum)]
    pub tokenizer: Option<Tokenizer>,
}

/// Flags for dropout, which reduces overfitting.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
pub struct DropoutFlags {
    /// Share of embeddings and of residual branches that is dropped in training, 0 to 1
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = fraction)]
    pub dropout: f64,
}

impl SizeFlags {
    /// The names of the flags, each with true if it was given.
    pub fn given(&self) -> [(&'static str, bool); 7] {
        let SizeFlags { preset, layers, width, heads, context, vocab, no_bias } = self;
        [
            ("--preset", preset.is_some()),
            ("--layers", layers.is_some()),
            ("--width", width.is_some()),
            ("--heads", heads.is_some()),
            ("--context", context.is_some()),
            ("--vocab", vocab.is_some()),
            ("--no-bias", *no_bias),
        ]
    }

    /// The preset's name, for messages and directories.
    pub fn preset_name(&self) -> &str {
        self.preset.as_deref().unwrap_or(PRESET)
    }

    /// The dimensions of stored weights, which the flags may say again but not differently.
    ///
    /// # Errors
    /// If they do.
    pub fn dimensions_of(&self, stored: &Dimensions) -> Result<Dimensions> {
        let wanted = match &self.preset {
            Some(_) => self.dimensions(None)?,
            None => Dimensions {
                layers: self.layers.unwrap_or(stored.layers),
                width: self.width.unwrap_or(stored.width),
                heads: self.heads.unwrap_or(stored.heads),
                context: self.context.unwrap_or(stored.context),
                vocab: self.vocab.unwrap_or(stored.vocab),
                bias: stored.bias && !self.no_bias,
            },
        };
        match wanted == *stored {
            true => Ok(wanted),
            false => {
                let (stored, wanted) = (stored.summary(), wanted.summary());
                Err(Error::config(format!(
                    "the weights of this file are of another model: {stored}, but the flags say {wanted}; leave --preset and the dimensions out"
                )))
            }
        }
    }

    /// The dimensions: the preset's, with those given put in their place. Where neither preset nor vocabulary is given, the
    /// vocabulary is the tokenizer's.
    ///
    /// # Errors
    /// If there is no such preset, or the dimensions do not go together.
    pub fn dimensions(&self, tokenizer: Option<Tokenizer>) -> Result<Dimensions> {
        let preset = Preset::named(self.preset_name())?.dimensions;
        let follows = tokenizer.filter(|_| self.preset.is_none()).map(Tokenizer::vocab);
        let dimensions = Dimensions {
            layers: self.layers.unwrap_or(preset.layers),
            width: self.width.unwrap_or(preset.width),
            heads: self.heads.unwrap_or(preset.heads),
            context: self.context.unwrap_or(preset.context),
            vocab: self.vocab.or(follows).unwrap_or(preset.vocab),
            bias: !self.no_bias,
        };
        dimensions.check()?;
        Ok(dimensions)
    }
}

impl TokenizerFlags {
    /// The tokenizer for a model with this vocabulary.
    ///
    /// # Errors
    /// If the one that was asked for has more ids than the model has rows.
    pub fn fitting(&self, vocab: usize) -> Result<Tokenizer> {
        let tokenizer = self.tokenizer.unwrap_or(Tokenizer::fitting(vocab));
        tokenizer.check_vocab(vocab)?;
        Ok(tokenizer)
    }
}
