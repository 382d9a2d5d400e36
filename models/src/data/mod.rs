//! Text to train on: read, encoded, split 90 / 10 in order, and cut into windows.

mod text;
mod tokenizer;
mod windows;

pub use text::{Document, embedded, files, read};
pub use tokenizer::Tokenizer;
pub use windows::{Batch, training_batch, validation_batches};

use ivon_runtime::{Error, Result};

/// The part of a text that is trained on; the rest, its end, is for validation.
const TRAINING_SHARE: f64 = 0.9;

/// An encoded text in two parts.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// How it was encoded.
    pub tokenizer: Tokenizer,
    /// The first nine tenths.
    pub training: Vec<u16>,
    /// The last tenth.
    pub validation: Vec<u16>,
}

impl Corpus {
    /// Encodes documents, one after the other, and splits the whole in order.
    ///
    /// # Errors
    /// If a document does not fit the tokenizer, or there is no text at all.
    pub fn new(documents: &[Document], tokenizer: Tokenizer) -> Result<Corpus> {
        let mut training: Vec<u16> = vec![];
        for document in documents {
            if !training.is_empty() {
                training.extend(tokenizer.separator());
            }
            training.extend(tokenizer.encode(&document.bytes, &document.origin)?);
        }
        if training.is_empty() {
            let origins: Vec<&str> = documents.iter().map(|d| d.origin.as_str()).collect();
            return Err(Error::config(format!("there is no text to train on: {} is empty", origins.join(", "))));
        }
        let validation = training.split_off((training.len() as f64 * TRAINING_SHARE) as usize);
        Ok(Corpus { tokenizer, training, validation })
    }

    /// # Errors
    /// If a part is shorter than one window: `seq` tokens and the one after.
    pub fn check_seq(&self, seq: usize) -> Result<()> {
        let shortest = self.training.len().min(self.validation.len());
        if shortest > seq {
            return Ok(());
        }
        let total = self.training.len() + self.validation.len();
        let needed = ((seq + 1) as f64 / (1.0 - TRAINING_SHARE)).ceil();
        let fits = match shortest {
            0 | 1 => String::new(),
            _ => format!(", or a shorter sequence, `--seq {}` at most", shortest - 1),
        };
        Err(Error::config(format!(
            "the text is too short: its {total} tokens are split into {} to train on and {} for validation, and a window takes {} of \
             either (--seq {seq} and the token after); give a text of about {needed} tokens or more{fits}",
            self.training.len(),
            self.validation.len(),
            seq + 1,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { origin: "test".into(), bytes: text.into() }
    }

    #[test]
    fn the_last_tenth_is_for_validation() {
        let corpus = Corpus::new(&[document("0123456789"), document("abcdefghij")], Tokenizer::Bytes).unwrap();
        assert_eq!(corpus.tokenizer.decode(&corpus.training).unwrap(), "0123456789abcdefgh");
        assert_eq!(corpus.tokenizer.decode(&corpus.validation).unwrap(), "ij");
    }

    #[test]
    fn documents_are_parted_where_the_tokenizer_has_a_mark_for_it() {
        let corpus = Corpus::new(&[document("one"), document("two")], Tokenizer::Gpt2).unwrap();
        let all = [corpus.training, corpus.validation].concat();
        assert_eq!(Tokenizer::Gpt2.decode(&all).unwrap(), "one<|endoftext|>two");
    }

    #[test]
    fn too_little_text_is_refused_with_what_would_fit() {
        let error = Corpus::new(&[document("")], Tokenizer::Bytes).unwrap_err().to_string();
        assert_eq!(error, "there is no text to train on: test is empty");
        let corpus = Corpus::new(&[document(&"x".repeat(100))], Tokenizer::Bytes).unwrap();
        corpus.check_seq(9).unwrap();
        let error = corpus.check_seq(10).unwrap_err().to_string();
        assert!(error.contains("90 to train on and 10 for validation") && error.contains("`--seq 9` at most"), "{error}");
    }
}
