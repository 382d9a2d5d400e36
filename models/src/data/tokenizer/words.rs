//! GPT-2's first cut of a text: words, numbers and punctuation, each with at most one space before it, and runs of whitespace.
//!
//! The published pattern is
//! `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Its look-ahead needs a backtracking engine, whose stack grows with
//! a run of whitespace. Without it the pattern is regular and takes linear time and constant memory; [`Words`] applies the look-ahead itself:
//! a run of whitespace before something else leaves its last character to what follows.

use regex::Regex;
use std::sync::LazyLock;

static WORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+").ok());

/// The words of a text in order. Together they are the text.
pub struct Words<'a> {
    text: &'a str,
    /// The start of the next word.
    at: usize,
}

impl<'a> Words<'a> {
    pub fn of(text: &'a str) -> Words<'a> {
        Words { text, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        // Every character is in one of the classes, so a match begins where the last one ended.
        let found = WORD.as_ref()?.find_at(self.text, self.at)?;
        let (start, mut end) = (found.start(), found.end());
        // Only a run of whitespace ends in whitespace.
        let last = found.as_str().chars().next_back()?;
        if last.is_whitespace() && end < self.text.len() && found.len() > last.len_utf8() {
            end -= last.len_utf8();
        }
        self.at = end;
        Some(&self.text[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Words::of(text).collect()
    }

    #[test]
    fn words_take_one_space_with_them() {
        assert_eq!(words("It's  12 o'clock!!\n\n x"), ["It", "'s", " ", " 12", " o", "'", "clock", "!!", "\n\n", " x"]);
        assert_eq!(words("a\n\nb\u{a0}\u{a0}c  "), ["a", "\n", "\n", "b", "\u{a0}", "\u{a0}", "c", "  "]);
        assert_eq!(words("\u{3000}\u{3000}漢字1½ ²"), ["\u{3000}", "\u{3000}", "漢字", "1½", " ²"]);
        assert_eq!(words(""), Vec::<&str>::new());
    }

    #[test]
    fn the_words_are_those_of_the_published_vocabulary() {
        // The vocabulary's own splitter is the reference on short texts: each word that it finds is encoded by itself.
        let reference = tiktoken_rs::r50k_base().unwrap();
        let texts = [
            "We'll see:\n\n\tthe naïve 漢字 cost 12 345 €; it\u{2003}isn't  much \u{a0} .\r\n  end   ",
            "\u{85}x \u{85} \u{1680}y'sx''ll  'v",
            "🙂🙂 a\u{301}\u{200d}b ٣٤٥ⅧªX \0\u{1}  \n q",
        ];
        for text in texts {
            let apart: Vec<u32> = words(text).into_iter().flat_map(|word| reference.encode_ordinary(word)).collect();
            assert_eq!(apart, reference.encode_ordinary(text), "{text:?}");
        }
    }

    #[test]
    fn a_long_run_is_one_word() {
        let text = " ".repeat(3_000_000) + "x";
        let lengths: Vec<usize> = Words::of(&text).map(str::len).collect();
        assert_eq!(lengths, [2_999_999, 2]);
    }
}
