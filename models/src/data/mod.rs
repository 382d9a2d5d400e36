//! Text to train on, encoded here, and token files; split 90 / 10 in order, and cut into windows.

pub mod images;
pub mod kind;
mod overlap;
mod packed;
mod prepare;
mod text;
mod token_file;
mod tokenizer;
mod tokens;
mod windows;

pub use overlap::check as check_overlap;
pub use prepare::{Encoding, Prepared, prepare};
pub use text::{Document, Input, check_text, embedded, files, read, without_mark};
pub use token_file::{TokenFile, TokenFormat, TokenWriter};
pub use tokenizer::{Marks, Tokenizer};
pub use tokens::Tokens;
pub use windows::{Batch, training_batch, validation_batches};

use ivon_runtime::{Error, Result};
use tokenizer::END_OF_TEXT_MARK;

/// The part of a text that is trained on; the rest, its end, is for validation.
const TRAINING_SHARE: f64 = 0.9;

/// Encoded text in two parts.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// How it was encoded.
    pub tokenizer: Tokenizer,
    /// Text to learn.
    pub training: Tokens,
    /// Text to validate with.
    pub validation: Tokens,
    /// Remarks for the user on how it was read.
    pub notes: Vec<String>,
}

impl Corpus {
    /// Encodes inputs, one after the other. Without inputs for validation, the last tenth of the whole is taken for it.
    ///
    /// # Errors
    /// If an input does not fit the tokenizer or the model's vocabulary, or all are empty.
    pub fn new(training: Vec<Input>, validation: Vec<Input>, tokenizer: Tokenizer, vocab: usize, marks: Marks) -> Result<Corpus> {
        let split = validation.is_empty();
        let mut encoder = Encoder { tokenizer, marks, vocab, notes: vec![], written_out: 0 };
        let mut training = encoder.encode(training, "train on")?;
        let validation = match split {
            true => training.split_off((training.len() as f64 * TRAINING_SHARE) as usize),
            false => encoder.encode(validation, "validate with")?,
        };
        encoder.notes.extend(note_of_marks(encoder.written_out, marks));
        Ok(Corpus { tokenizer, training, validation, notes: encoder.notes })
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

/// Encodes inputs and remembers what to say of them.
struct Encoder {
    tokenizer: Tokenizer,
    marks: Marks,
    vocab: usize,
    notes: Vec<String>,
    /// Special tokens that are written out in the text so far.
    written_out: usize,
}

impl Encoder {
    fn encode(&mut self, inputs: Vec<Input>, purpose: &str) -> Result<Tokens> {
        let mut tokens = Tokens::default();
        let mut origins = vec![];
        for input in inputs {
            match input {
                Input::Tokens(file) => tokens.push_file(file),
                Input::Text(document) => {
                    let separator = self.tokenizer.separator().filter(|_| !tokens.is_empty());
                    let Document { origin, bytes, offset } = document;
                    let ids = self.tokenizer.encode_at(&bytes, &origin, offset, self.marks)?;
                    self.written_out += self.tokenizer.marks(&bytes);
                    self.notes.extend((offset > 0).then(|| note_of_mark(&origin)));
                    self.notes.extend(note_of_bytes(self.tokenizer, &bytes, &origin, offset));
                    tokens.push(separator.into_iter().chain(ids).collect());
                    origins.push(origin);
                }
            }
        }
        if tokens.is_empty() {
            return Err(Error::config(format!("there is no text to {purpose}: {} is empty", origins.join(", "))));
        }
        self.notes.extend(tokens.check(self.tokenizer, self.vocab)?);
        Ok(tokens)
    }
}

/// The remark on special tokens that are written out in text.
fn note_of_marks(count: usize, marks: Marks) -> Option<String> {
    let how = match marks {
        Marks::Text => {
            "encoded as the letters that it is written with; `--special-tokens token` makes it the token between documents"
        }
        Marks::Token => "encoded as the token between documents",
    };
    (count > 0).then(|| format!("{END_OF_TEXT_MARK} is written out {count} times in the text, and {how}"))
}

fn note_of_mark(origin: &str) -> String {
    format!("{origin} begins with the mark of UTF-8 (U+FEFF), which is left out")
}

/// The note on text that holds a zero byte, or is not UTF-8 and is learnt byte by byte.
fn note_of_bytes(tokenizer: Tokenizer, bytes: &[u8], origin: &str, offset: u64) -> Option<String> {
    if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
        let at = offset + zero as u64;
        return Some(format!(
            "{origin} has a zero byte (byte {at}), as no text has: a part of it may be something else, and is learnt too"
        ));
    }
    let error = std::str::from_utf8(bytes).err().filter(|_| tokenizer == Tokenizer::Bytes)?;
    let at = offset + error.valid_up_to() as u64;
    Some(format!(
        "{origin} is not UTF-8 (byte {at} is not), and is learnt byte by byte; text of the model's own may not be readable"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(documents: &[&str], tokenizer: Tokenizer) -> Result<Corpus> {
        let text = |t: &&str| Input::Text(Document::new("test", t.bytes().collect()));
        Corpus::new(documents.iter().map(text).collect(), vec![], tokenizer, tokenizer.vocab(), Marks::Text)
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

    #[test]
    fn special_tokens_are_said_and_encoded_as_asked() {
        let marked = |marks| {
            let text = Input::Text(Document::new("test", b"one<|endoftext|>two<|endoftext|>three four five six".into()));
            let corpus = Corpus::new(vec![text], vec![], Tokenizer::Gpt2, 50257, marks).unwrap();
            let ids = corpus.training.read(0..corpus.training.len());
            (ids.iter().filter(|id| **id == 50256).count(), corpus.notes.join("\n"))
        };
        let (count, note) = marked(Marks::Text);
        assert!(count == 0 && note.contains("written out 2 times") && note.contains("--special-tokens token"), "{note}");
        let (count, note) = marked(Marks::Token);
        assert!(count == 2 && note.contains("written out 2 times"), "{note}");
    }

    #[test]
    fn bytes_that_are_no_text_are_said() {
        let text = Input::Text(Document::new("notes.txt", b"caf\xe9 and more of it".into()));
        let corpus = Corpus::new(vec![text], vec![], Tokenizer::Bytes, 256, Marks::Text).unwrap();
        assert!(corpus.notes[0].contains("notes.txt is not UTF-8 (byte 3 is not)"), "{:?}", corpus.notes);
        let text = Input::Text(Document::new("notes.txt", b"one, two\0and more of it".into()));
        let corpus = Corpus::new(vec![text], vec![], Tokenizer::Gpt2, 50257, Marks::Text).unwrap();
        assert!(corpus.notes[0].contains("notes.txt has a zero byte (byte 8)"), "{:?}", corpus.notes);
    }
}
