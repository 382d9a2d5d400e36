//! From text to ids and back.

mod bpe;
mod words;

use ivon_runtime::{Error, Result};
use serde::{Deserialize, Serialize};
use words::Words;

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
/// The same, written out.
pub const END_OF_TEXT_MARK: &str = "<|endoftext|>";
/// The longest word that is encoded, in bytes: all of it is in memory, 20 bytes for each.
pub const LONGEST_WORD: usize = 256 << 20;

/// How special tokens that are written out in a text, `<|endoftext|>`, are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Marks {
    /// As the letters that they are written with
    #[default]
    Text,
    /// As the token
    Token,
}

impl Tokenizer {
    /// All of them.
    pub const ALL: [Tokenizer; 2] = [Tokenizer::Bytes, Tokenizer::Gpt2];

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

    /// The name, as `--tokenizer` takes it.
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
        self.encode_at(document, origin, 0, Marks::Text)
    }

    /// [`Tokenizer::encode`] of a part that begins at byte `offset` of its document.
    ///
    /// # Errors
    /// As there, and if a word is longer than 256 MiB.
    pub fn encode_at(self, part: &[u8], origin: &str, offset: u64, marks: Marks) -> Result<Vec<u16>> {
        if self == Tokenizer::Bytes {
            return Ok(part.iter().map(|b| u16::from(*b)).collect());
        }
        let text = std::str::from_utf8(part).map_err(|e| {
            let at = offset + e.valid_up_to() as u64;
            Error::config(format!(
                "{origin}: byte {at} is not UTF-8, which the tokenizer `gpt2` needs; if it is Latin-1, convert it: \
                 `iconv -f latin1 -t utf-8 IN > OUT`; `--tokenizer bytes` takes text in any encoding"
            ))
        })?;
        let (vocabulary, mut ids) = (bpe::vocabulary()?, vec![]);
        let encode = |text: &str, at: usize, ids: &mut Vec<u16>| {
            let mut at = offset + at as u64;
            for word in Words::of(text) {
                if word.len() > LONGEST_WORD {
                    let longest = LONGEST_WORD >> 20;
                    let message =
                        format!("{origin}: from byte {at} on, more than {longest} MiB are one word to the tokenizer `gpt2`");
                    return Err(Error::config(format!("{message}; break it into lines, or use `--tokenizer bytes`")));
                }
                vocabulary.encode(word.as_bytes(), ids);
                at += word.len() as u64;
            }
            Ok(())
        };
        if marks == Marks::Text {
            encode(text, 0, &mut ids)?;
            return Ok(ids);
        }
        let mut at = 0;
        for (number, between) in text.split(END_OF_TEXT_MARK).enumerate() {
            if number > 0 {
                ids.push(END_OF_TEXT);
            }
            encode(between, at, &mut ids)?;
            at += between.len() + END_OF_TEXT_MARK.len();
        }
        Ok(ids)
    }

    /// The number of special tokens that are written out in a text.
    pub fn marks(self, text: &[u8]) -> usize {
        let mark = END_OF_TEXT_MARK.as_bytes();
        match self {
            Tokenizer::Bytes => 0,
            // Few bytes of text are the first one of a mark.
            Tokenizer::Gpt2 => (0..text.len()).filter(|i| text[*i] == mark[0] && text[*i..].starts_with(mark)).count(),
        }
    }

    /// The last place where a text may be cut so that the tokens of the two parts are those of the whole, and neither a character nor a special token
    /// is cut; 0 if there is none. Text that is not UTF-8 is not cut: encoding it says where.
    pub fn boundary(self, text: &[u8]) -> usize {
        let valid = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(e) if e.error_len().is_some() => return text.len(),
            Err(e) => std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default(),
        };
        if self == Tokenizer::Bytes {
            return valid.len();
        }
        // GPT-2 first splits text into words, each with at most one space before it, and never looks back: where whitespace follows something
        // else, a word has ended.
        let ends = |pair: &[u8]| pair[0].is_ascii_graphic() && pair[1].is_ascii_whitespace();
        if let Some(i) = text.windows(2).rposition(ends) {
            return i + 1;
        }
        // Later bytes may make the last word longer, and `'` with the word after it a contraction: the last two are left.
        let (mut start, mut boundary, mut last_two) = (0, 0, [0; 2]);
        for word in Words::of(valid) {
            last_two = [last_two[1], start];
            start += word.len();
            if !ends_inside_mark(&valid[..last_two[0]]) {
                boundary = last_two[0];
            }
        }
        boundary
    }

    /// The id between two documents, if there is one.
    pub fn separator(self) -> Option<u16> {
        match self {
            Tokenizer::Bytes => None,
            Tokenizer::Gpt2 => Some(END_OF_TEXT),
        }
    }

    /// The id before a text that continues nothing: the mark between documents, or a new line.
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
                let vocabulary = bpe::vocabulary()?;
                let token = |id: &u16| match vocabulary.bytes(*id) {
                    Some(bytes) => bytes.to_vec(),
                    None if *id == END_OF_TEXT => END_OF_TEXT_MARK.into(),
                    None => unknown(),
                };
                ids.iter().flat_map(token).collect()
            }
        })
    }

    /// The text of some ids. Bytes that are not UTF-8 become `�`, and so do ids beyond the tokenizer's.
    ///
    /// # Errors
    /// If the embedded vocabulary cannot be loaded.
    pub fn decode(self, ids: &[u16]) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(ids)?).into_owned())
    }
}

/// True if the end of a text may be the beginning of a mark.
fn ends_inside_mark(text: &str) -> bool {
    (1..END_OF_TEXT_MARK.len()).any(|length| text.ends_with(&END_OF_TEXT_MARK[..length]))
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
    fn special_tokens_are_counted_and_encoded_as_asked() {
        let text = b"one<|endoftext|>two <|endoftext|><|endo";
        assert_eq!(Tokenizer::Gpt2.marks(text), 2);
        assert_eq!(Tokenizer::Bytes.marks(text), 0);
        let ids = Tokenizer::Gpt2.encode_at(text, "test", 0, Marks::Token).unwrap();
        assert_eq!(ids.iter().filter(|id| **id == END_OF_TEXT).count(), 2);
        assert_eq!(Tokenizer::Gpt2.decode(&ids).unwrap().as_bytes(), text);
        let apart = ["one", "two ", "<|endo"].map(|text| Tokenizer::Gpt2.encode(text.as_bytes(), "test").unwrap());
        assert_eq!(ids, apart.join(&END_OF_TEXT));
    }

    #[test]
    fn a_text_is_cut_where_a_word_has_ended() {
        let boundary = |text: &str| Tokenizer::Gpt2.boundary(text.as_bytes());
        assert_eq!(boundary("two words"), 3);
        assert_eq!(boundary("漢字。漢字"), 6); // the last two words are left
        assert_eq!(boundary("a1'v"), 2); // `'ve` may come
        assert_eq!(boundary("a1b<|endoftext|"), 3);
        assert_eq!(boundary(&" ".repeat(100)), 0);
        assert_eq!(Tokenizer::Gpt2.boundary(b"abc\xff\xffabc"), 8);
    }

    #[test]
    fn a_million_spaces_and_letters_are_encoded() {
        let spaces = " ".repeat(1_200_000) + "x";
        let ids = Tokenizer::Gpt2.encode(spaces.as_bytes(), "test").unwrap();
        // GPT-2 has no token of several spaces: 1,199,999 times ` `, then ` x`.
        assert_eq!(ids.len(), 1_200_000);
        assert!(ids[..1_199_999].iter().all(|id| *id == 220) && ids[1_199_999] == 2124);
        // tiktoken's counts.
        let count = |text: String| Tokenizer::Gpt2.encode(text.as_bytes(), "test").unwrap().len();
        assert_eq!([count("a".repeat(1_000_000)), count("ab".repeat(500_000))], [250_000, 500_000]);
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
