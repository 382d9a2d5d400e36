//! From text to ids and back.

use ivon_runtime::{Error, Result};
use serde::{Deserialize, Serialize};
use tiktoken_rs::CoreBPE;

/// How text becomes ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tokenizer {
    /// Every byte is a token: 256 ids, any file.
    #[default]
    Bytes,
    /// GPT-2's byte-pair encoding: 50257 ids, UTF-8 text.
    Gpt2,
}

/// The id that GPT-2 puts between documents.
const END_OF_TEXT: u16 = 50256;

impl Tokenizer {
    /// The number of ids.
    pub fn vocab(self) -> usize {
        match self {
            Tokenizer::Bytes => 256,
            Tokenizer::Gpt2 => 50257,
        }
    }

    /// The one that a model with this vocabulary is usually for.
    pub fn fitting(vocab: usize) -> Tokenizer {
        if vocab >= Tokenizer::Gpt2.vocab() { Tokenizer::Gpt2 } else { Tokenizer::Bytes }
    }

    /// What `--tokenizer` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Tokenizer::Bytes => "bytes",
            Tokenizer::Gpt2 => "gpt2",
        }
    }

    /// # Errors
    /// If the model has too few rows for the ids.
    pub fn check_vocab(self, vocab: usize) -> Result<()> {
        if vocab >= self.vocab() {
            return Ok(());
        }
        Err(Error::config(format!(
            "the tokenizer `{}` has {} ids but the model's vocabulary is {vocab}: use `--vocab {}`{}",
            self.name(),
            self.vocab(),
            self.vocab(),
            if self == Tokenizer::Gpt2 && vocab >= 256 { " or `--tokenizer bytes`" } else { "" },
        )))
    }

    /// The ids of a document; `origin` names it in errors.
    ///
    /// # Errors
    /// If the tokenizer is for UTF-8 and the document is not: says at which byte.
    pub fn encode(self, document: &[u8], origin: &str) -> Result<Vec<u16>> {
        self.encode_at(document, origin, 0)
    }

    /// [`Tokenizer::encode`] of a part that begins at byte `offset` of its document.
    ///
    /// # Errors
    /// As there.
    pub fn encode_at(self, part: &[u8], origin: &str, offset: u64) -> Result<Vec<u16>> {
        match self {
            Tokenizer::Bytes => Ok(part.iter().map(|b| u16::from(*b)).collect()),
            Tokenizer::Gpt2 => {
                let text = std::str::from_utf8(part).map_err(|e| {
                    Error::config(format!(
                        "{origin}: byte {} is not UTF-8, which the tokenizer `gpt2` needs; `--tokenizer bytes` takes any file",
                        offset + e.valid_up_to() as u64
                    ))
                })?;
                Ok(bpe()?.encode_ordinary(text).into_iter().map(|id| id as u16).collect())
            }
        }
    }

    /// The last place where a text may be cut so that the tokens of the two parts are those of the whole; 0 if there is none.
    ///
    /// GPT-2 first splits text into words, each with at most one space before it, and never looks back: where whitespace follows something
    /// else, a word has ended.
    pub fn boundary(self, text: &[u8]) -> usize {
        match self {
            Tokenizer::Bytes => text.len(),
            Tokenizer::Gpt2 => {
                let ends = |pair: &[u8]| pair[0].is_ascii_graphic() && pair[1].is_ascii_whitespace();
                text.windows(2).rposition(ends).map_or(0, |i| i + 1)
            }
        }
    }

    /// What stands between two documents, if anything.
    pub fn separator(self) -> Option<u16> {
        match self {
            Tokenizer::Bytes => None,
            Tokenizer::Gpt2 => Some(END_OF_TEXT),
        }
    }

    /// What a text that continues nothing begins after: the mark between documents, or a new line.
    pub fn beginning(self) -> u16 {
        self.separator().unwrap_or(u16::from(b'\n'))
    }

    /// The bytes of some ids; `�` for ids beyond the tokenizer's.
    ///
    /// # Errors
    /// If the embedded vocabulary cannot be loaded.
    pub fn bytes(self, ids: &[u16]) -> Result<Vec<u8>> {
        let unknown = || "\u{fffd}".as_bytes().to_vec();
        Ok(match self {
            Tokenizer::Bytes => ids.iter().flat_map(|id| u8::try_from(*id).map_or_else(|_| unknown(), |b| vec![b])).collect(),
            Tokenizer::Gpt2 => {
                let bpe = bpe()?;
                ids.iter().flat_map(|id| bpe.decode_bytes(&[u32::from(*id)]).unwrap_or_else(|_| unknown())).collect()
            }
        })
    }

    /// The text of some ids. Bytes that are no UTF-8 become `�`; so do ids beyond the tokenizer's.
    ///
    /// # Errors
    /// If the embedded vocabulary cannot be loaded.
    pub fn decode(self, ids: &[u16]) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(ids)?).into_owned())
    }
}

fn bpe() -> Result<&'static CoreBPE> {
    use std::sync::OnceLock;
    static BPE: OnceLock<Result<CoreBPE>> = OnceLock::new();
    let load =
        || tiktoken_rs::r50k_base().map_err(|e| Error::config(format!("GPT-2's embedded vocabulary cannot be loaded: {e}")));
    BPE.get_or_init(load).as_ref().map_err(Error::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_encodes_as_the_published_vocabulary_does() {
        // Known ids of OpenAI's encoder.
        assert_eq!(Tokenizer::Gpt2.encode(b"Hello, world!", "test").unwrap(), [15496, 11, 995, 0]);
        assert_eq!(Tokenizer::Gpt2.encode("naïve café".as_bytes(), "test").unwrap(), [2616, 38776, 40304]);
        assert_eq!(Tokenizer::Gpt2.decode(&[15496, 11, 995, 0, 50256]).unwrap(), "Hello, world!<|endoftext|>");
    }

    #[test]
    fn text_that_looks_like_a_special_token_is_text() {
        let ids = Tokenizer::Gpt2.encode(b"<|endoftext|>", "test").unwrap();
        assert!(!ids.contains(&END_OF_TEXT), "{ids:?}");
    }

    #[test]
    fn every_byte_survives_the_round_trip() {
        let text = "tab\tline\nümlaut 漢字";
        for tokenizer in [Tokenizer::Bytes, Tokenizer::Gpt2] {
            let ids = tokenizer.encode(text.as_bytes(), "test").unwrap();
            assert!(ids.iter().all(|id| usize::from(*id) < tokenizer.vocab()));
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_their_offset() {
        let error = Tokenizer::Gpt2.encode(b"ab\xffcd", "notes.txt").unwrap_err().to_string();
        assert!(error.contains("notes.txt: byte 2 is not UTF-8"), "{error}");
        assert_eq!(Tokenizer::Bytes.encode(b"ab\xff", "notes.txt").unwrap(), [97, 98, 255]);
    }

    #[test]
    fn a_vocabulary_that_is_too_small_is_refused() {
        let error = Tokenizer::Gpt2.check_vocab(256).unwrap_err().to_string();
        assert!(error.contains("50257 ids") && error.contains("vocabulary is 256"), "{error}");
        Tokenizer::Bytes.check_vocab(50257).unwrap();
    }
}
