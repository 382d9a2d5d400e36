//! Sizes of GPT-2 that have a name.

use ivon_runtime::{Error, Result};
use serde::{Deserialize, Serialize};

/// The dimensions that a GPT-2 is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// The most tokens in a sequence.
    pub context: usize,
    /// Number of token ids.
    pub vocab: usize,
    /// True if linear layers and norms have biases: GPT-2 has them, nanoGPT trains without.
    pub bias: bool,
}

/// Dimensions with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name for `--preset`.
    pub name: &'static str,
    /// Its dimensions.
    pub dimensions: Dimensions,
}

/// The presets, smallest first. From `small` on they are the published GPT-2 models.
pub const PRESETS: [Preset; 7] = [
    preset("tiny", 2, 64, 4, 64, 256),
    preset("micro", 4, 128, 4, 64, 256),
    preset("nano", 6, 384, 6, 256, 256),
    preset("small", 12, 768, 12, 1024, 50257),
    preset("medium", 24, 1024, 16, 1024, 50257),
    preset("large", 36, 1280, 20, 1024, 50257),
    preset("xl", 48, 1600, 25, 1024, 50257),
];

/// Ids that a token can have, in token files and in generated text.
const MOST_IDS: usize = 1 << 16;
/// Beyond this the arithmetic on sizes would no longer be safe from overflow.
const MOST_PARAMETERS: f64 = 1e13;

const fn preset(name: &'static str, layers: usize, width: usize, heads: usize, context: usize, vocab: usize) -> Preset {
    Preset { name, dimensions: Dimensions { layers, width, heads, context, vocab, bias: true } }
}

impl Preset {
    /// The preset of this name.
    ///
    /// # Errors
    /// If no preset has this name; the message lists them.
    pub fn named(name: &str) -> Result<Preset> {
        PRESETS.into_iter().find(|p| p.name == name).ok_or_else(|| {
            let known: Vec<String> = PRESETS.iter().map(|p| format!("{} ({})", p.name, p.dimensions.summary())).collect();
            Error::config(format!("there is no preset `{name}`; the presets are {}", known.join(", ")))
        })
    }
}

impl Dimensions {
    /// The number of parameters, with the tied head counted once.
    pub fn parameters(&self) -> usize {
        let Dimensions { layers, width, context, vocab, .. } = *self;
        let biases = usize::from(self.bias);
        let norm = width * (1 + biases);
        let linear = |from: usize, to: usize| from * to + biases * to;
        let attention = linear(width, 3 * width) + linear(width, width);
        let mlp = linear(width, 4 * width) + linear(4 * width, width);
        (vocab + context) * width + layers * (2 * norm + attention + mlp) + norm
    }

    /// Floating point operations of a forward pass over `length` tokens, per token: two for every weight of a matrix product, the head
    /// among them, and four for every element of the keys and values that attention looks at, (length + 1) / 2 positions on average.
    pub fn flops(&self, length: usize) -> f64 {
        let [layers, width, vocab] = [self.layers, self.width, self.vocab].map(|n| n as f64);
        2.0 * (12.0 * layers * width * width + vocab * width) + 4.0 * layers * width * (length as f64 + 1.0) / 2.0
    }

    /// One line: `4 layers, width 128, 4 heads, context 64, vocabulary 256`.
    pub fn summary(&self) -> String {
        let Dimensions { layers, width, heads, context, vocab, .. } = self;
        format!("{layers} layers, width {width}, {heads} heads, context {context}, vocabulary {vocab}")
    }

    /// # Errors
    /// If a dimension is 0, or the heads do not divide the width.
    pub fn check(&self) -> Result<()> {
        let named = [
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
            ("context", self.context),
            ("vocab", self.vocab),
        ];
        if let Some((name, _)) = named.iter().find(|(_, size)| *size == 0) {
            return Err(Error::config(format!("--{name} is 0, but a GPT-2 needs at least one")));
        }
        if self.vocab > MOST_IDS {
            return Err(Error::config(format!(
                "--vocab {} is more than {MOST_IDS}: token ids are numbers of 16 bits",
                self.vocab
            )));
        }
        if !self.width.is_multiple_of(self.heads) {
            let (width, heads) = (self.width, self.heads);
            let near = (1..=heads.min(width)).rev().find(|h| width.is_multiple_of(*h)).unwrap_or(1);
            return Err(Error::config(format!("{heads} heads do not divide width {width} evenly; {near} would")));
        }
        let [layers, width, tables] = [self.layers, self.width, self.vocab.saturating_add(self.context)].map(|n| n as f64);
        let parameters = tables * width + 12.0 * layers * width * width;
        if parameters > MOST_PARAMETERS {
            let summary = self.summary();
            return Err(Error::config(format!(
                "a GPT-2 of {summary} would have {parameters:.1e} parameters, more than any memory holds"
            )));
        }
        Ok(())
    }
}
