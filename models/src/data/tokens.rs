//! Ids from several places, one after the other, as if they were one sequence.

use super::{TokenFile, Tokenizer};
use ivon_runtime::Result;
use std::ops::Range;
use std::sync::Arc;

/// A sequence of ids: encoded text in memory and token files on the disk, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    parts: Vec<Part>,
    length: usize,
}

#[derive(Clone, Debug)]
struct Part {
    source: Source,
    /// The range of ids in the source.
    range: Range<usize>,
    /// The position of its first id in the whole.
    start: usize,
}

#[derive(Clone, Debug)]
enum Source {
    Memory(Arc<[u16]>),
    File(Arc<TokenFile>),
}

impl Tokens {
    /// The number of ids.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds ids at the end.
    pub fn push(&mut self, ids: Vec<u16>) {
        self.part(0..ids.len(), Source::Memory(ids.into()));
    }

    /// Adds a file at the end.
    pub fn push_file(&mut self, file: TokenFile) {
        self.part(0..file.len(), Source::File(Arc::new(file)));
    }

    fn part(&mut self, range: Range<usize>, source: Source) {
        if !range.is_empty() {
            let start = self.length;
            self.length += range.len();
            self.parts.push(Part { source, range, start });
        }
    }

    /// The ids from `at` on, taken off this sequence.
    pub fn split_off(&mut self, at: usize) -> Tokens {
        let (mut head, mut tail) = (Tokens::default(), Tokens::default());
        for Part { source, range, start } in std::mem::take(&mut self.parts) {
            let middle = range.start + at.clamp(start, start + range.len()) - start;
            head.part(range.start..middle, source.clone());
            tail.part(middle..range.end, source);
        }
        *self = head;
        tail
    }

    /// Appends ids `range` to `out`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn read_into(&self, range: Range<usize>, out: &mut Vec<u32>) {
        assert!(range.end <= self.length, "ids {range:?} of {}", self.length);
        let first = self.parts.partition_point(|p| p.start + p.range.len() <= range.start);
        for part in &self.parts[first..] {
            if part.start >= range.end {
                break;
            }
            let place = |i: usize| i.clamp(part.start, part.start + part.range.len()) - part.start + part.range.start;
            let ids = place(range.start)..place(range.end);
            match &part.source {
                Source::Memory(all) => out.extend(all[ids].iter().map(|id| u32::from(*id))),
                Source::File(file) => out.extend(file.tokens(ids).map(u32::from)),
            }
        }
    }

    /// Ids `range`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn read(&self, range: Range<usize>) -> Vec<u16> {
        let mut ids = vec![];
        self.read_into(range, &mut ids);
        ids.into_iter().map(|id| id as u16).collect()
    }

    /// Looks at every id of every file. Returns what is doubtful about them.
    ///
    /// # Errors
    /// Those of [`TokenFile::check`].
    pub fn check(&self, tokenizer: Tokenizer, vocab: usize) -> Result<Vec<String>> {
        let mut doubts = vec![];
        for part in &self.parts {
            match &part.source {
                Source::Memory(_) => {} // by the tokenizer, which was checked against the vocabulary
                Source::File(file) => doubts.extend(file.check(tokenizer, vocab)?),
            }
        }
        Ok(doubts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(parts: &[&[u16]]) -> Tokens {
        let mut all = Tokens::default();
        parts.iter().for_each(|p| all.push(p.to_vec()));
        all
    }

    #[test]
    fn parts_read_like_one_sequence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        std::fs::write(&path, [3, 0, 4, 0, 5, 0]).unwrap();
        let mut all = tokens(&[&[0, 1, 2], &[]]);
        all.push_file(TokenFile::recognise(&path).unwrap().unwrap());
        all.push(vec![6]);
        let whole: Vec<u16> = (0..7).collect();
        for start in 0..=7 {
            for end in start..=7 {
                assert_eq!(all.read(start..end), whole[start..end]);
            }
            let mut head = all.clone();
            let tail = head.split_off(start);
            assert_eq!((head.len(), tail.len()), (start, 7 - start));
            assert_eq!([head.read(0..start), tail.read(0..7 - start)].concat(), whole);
        }
    }
}
