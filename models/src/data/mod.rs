//! What to train on: text, encoded here, and token files; split 90 / 10 in order, and cut into windows.

pub mod images;
mod packed;
mod prepare;
mod text;
mod token_file;
mod tokenizer;
mod tokens;
mod windows;

pub use prepare::{Prepared, prepare};
pub use text::{Document, Input, embedded, files, read};
pub use token_file::{TokenFile, TokenFormat, TokenWriter};
pub use tokenizer::Tokenizer;
pub use tokens::Tokens;
pub use windows::{Batch, training_batch, validation_batches};

use ivon_runtime::{Error, Result};

/// The part of a text that is trained on; the rest, its end, is for validation.
const TRAINING_SHARE: f64 = 0.9;

/// Encoded text in two parts.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// How it was encoded.
    pub tokenizer: Tokenizer,
    /// What to learn.
    pub training: Tokens,
    /// What to be tested with.
    pub validation: Tokens,
}

impl Corpus {
    /// Encodes inputs, one after the other. Without inputs for validation, the last tenth of the whole is taken for it.
    ///
    /// # Errors
    /// If an input does not fit the tokenizer or the model's vocabulary, or there is nothing in it at all.
    pub fn new(training: Vec<Input>, validation: Vec<Input>, tokenizer: Tokenizer, vocab: usize) -> Result<Corpus> {
        let split = validation.is_empty();
        let mut training = encode(training, "train on", tokenizer, vocab)?;
        let validation = match split {
            true => training.split_off((training.len() as f64 * TRAINING_SHARE) as usize),
            false => encode(validation, "validate with", tokenizer, vocab)?,
        };
        Ok(Corpus { tokenizer, training, validation })
    }

    /// A number that tells texts apart: of their lengths and of tokens spread over them.
    pub fn checksum(&self) -> String {
        const PIECES: usize = 4096;
        const PIECE: usize = 64;
        let mut bytes = vec![];
        for part in [&self.training, &self.validation] {
            bytes.extend((part.len() as u64).to_le_bytes());
            let last = part.len().saturating_sub(PIECE);
            let stride = (last / PIECES).max(PIECE);
            for start in (0..=last).step_by(stride).chain([last]) {
                let ids = part.read(start..part.len().min(start + PIECE));
                bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            }
        }
        format!("{:08x}", ivon_runtime::crc32c(&bytes))
    }

    /// # Errors
    /// If a part is shorter than one window: `seq` tokens and the one after.
    pub fn check_seq(&self, seq: usize) -> Result<()> {
        let shortest = self.training.len().min(self.validation.len());
        if shortest > seq {
            return Ok(());
        }
        let window = format!("a window takes {} of either (--seq {seq} and the token after)", seq + 1);
        let total = self.training.len() + self.validation.len();
        let needed = ((seq + 1) as f64 / (1.0 - TRAINING_SHARE)).ceil();
        let fits = match shortest {
            0 | 1 => String::new(),
            _ => format!(", or a shorter sequence, `--seq {}` at most", shortest - 1),
        };
        Err(Error::config(format!(
            "the text is too short: of its {total} tokens {} are to train on and {} for validation, and {window}; give a text of about \
             {needed} tokens or more{fits}",
            self.training.len(),
            self.validation.len(),
        )))
    }
}

fn encode(inputs: Vec<Input>, purpose: &str, tokenizer: Tokenizer, vocab: usize) -> Result<Tokens> {
    let mut tokens = Tokens::default();
    let mut origins = vec![];
    for input in inputs {
        match input {
            Input::Tokens(file) => tokens.push_file(file),
            Input::Text(document) => {
                let separator = tokenizer.separator().filter(|_| !tokens.is_empty());
                let ids = tokenizer.encode(&document.bytes, &document.origin)?;
                tokens.push(separator.into_iter().chain(ids).collect());
                origins.push(document.origin);
            }
        }
    }
    if tokens.is_empty() {
        return Err(Error::config(format!("there is no text to {purpose}: {} is empty", origins.join(", "))));
    }
    tokens.check(tokenizer, vocab)?;
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(documents: &[&str], tokenizer: Tokenizer) -> Result<Corpus> {
        let text = |t: &&str| Input::Text(Document { origin: "test".into(), bytes: t.bytes().collect() });
        Corpus::new(documents.iter().map(text).collect(), vec![], tokenizer, tokenizer.vocab())
    }

    fn text(tokenizer: Tokenizer, tokens: &Tokens) -> String {
        tokenizer.decode(&tokens.read(0..tokens.len())).unwrap()
    }

    #[test]
    fn the_last_tenth_is_for_validation() {
        let corpus = corpus(&["0123456789", "abcdefghij"], Tokenizer::Bytes).unwrap();
        assert_eq!(text(corpus.tokenizer, &corpus.training), "0123456789abcdefgh");
        assert_eq!(text(corpus.tokenizer, &corpus.validation), "ij");
    }

    #[test]
    fn documents_are_parted_where_the_tokenizer_has_a_mark_for_it() {
        let corpus = corpus(&["one", "two"], Tokenizer::Gpt2).unwrap();
        assert_eq!(text(Tokenizer::Gpt2, &corpus.training) + &text(Tokenizer::Gpt2, &corpus.validation), "one<|endoftext|>two");
    }

    #[test]
    fn too_little_text_is_refused_with_what_would_fit() {
        let error = corpus(&[""], Tokenizer::Bytes).unwrap_err().to_string();
        assert_eq!(error, "there is no text to train on: test is empty");
        let corpus = corpus(&[&"x".repeat(100)], Tokenizer::Bytes).unwrap();
        corpus.check_seq(9).unwrap();
        let error = corpus.check_seq(10).unwrap_err().to_string();
        assert!(error.contains("90 are to train on and 10 for validation") && error.contains("`--seq 9` at most"), "{error}");
    }
}
