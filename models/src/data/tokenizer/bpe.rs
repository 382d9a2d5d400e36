//! Byte-pair encoding (Sennrich et al. 2016) with GPT-2's vocabulary, in O(n log n) for words of any length.

use ivon_runtime::{Error, Result};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::OnceLock;

/// The tokens that text is encoded with; the mark between documents is not one of them.
const COUNT: u16 = 50256;
/// The rank of two tokens that are none together.
const NONE: u16 = u16::MAX;

/// GPT-2's tokens. The id of a token is its rank too: of two neighbouring pairs, the one that makes the smaller id is merged first.
pub struct Vocabulary {
    ids: HashMap<Vec<u8>, u16>,
    bytes: Vec<Vec<u8>>,
}

/// The embedded vocabulary.
///
/// # Errors
/// If it cannot be loaded.
pub fn vocabulary() -> Result<&'static Vocabulary> {
    static VOCABULARY: OnceLock<Result<Vocabulary>> = OnceLock::new();
    VOCABULARY.get_or_init(Vocabulary::load).as_ref().map_err(Error::clone)
}

impl Vocabulary {
    fn load() -> Result<Vocabulary> {
        let broken = |what: String| Error::config(format!("GPT-2's embedded vocabulary cannot be loaded: {what}"));
        let published = tiktoken_rs::r50k_base().map_err(|e| broken(e.to_string()))?;
        let token = |id: u16| published.decode_bytes(&[u32::from(id)]).map_err(|e| broken(e.to_string()));
        let bytes = (0..COUNT).map(token).collect::<Result<Vec<_>>>()?;
        let ids = bytes.iter().cloned().zip(0..).collect();
        Ok(Vocabulary { ids, bytes })
    }

    /// The bytes of a token; `None` beyond the vocabulary.
    pub fn bytes(&self, id: u16) -> Option<&[u8]> {
        self.bytes.get(usize::from(id)).map(Vec::as_slice)
    }

    fn id(&self, token: &[u8]) -> u16 {
        self.ids.get(token).copied().unwrap_or(NONE)
    }

    /// Appends the ids of a word. Takes 20 bytes of memory per byte of a word that is not a token.
    ///
    /// # Panics
    /// If the word has 4 GiB or more.
    pub fn encode(&self, word: &[u8], out: &mut Vec<u16>) {
        if word.is_empty() {
            return;
        }
        let whole = self.id(word);
        if whole != NONE {
            out.push(whole);
            return;
        }
        let length = u32::try_from(word.len()).expect("a word is shorter than 4 GiB");
        // Arrays over the first bytes of tokens: the id, the end, the start of the token before, and the rank of the pair with the next one.
        let mut ids: Vec<u16> = word.chunks(1).map(|byte| self.id(byte)).collect();
        let mut ends: Vec<u32> = (1..=length).collect();
        let mut before: Vec<u32> = (0..length).map(|start| start.saturating_sub(1)).collect();
        let mut ranks: Vec<u16> = word.windows(2).map(|pair| self.id(pair)).chain([NONE]).collect();
        let candidates = ranks.iter().zip(0..).filter(|(rank, _)| **rank != NONE);
        let mut queue: BinaryHeap<Reverse<(u16, u32)>> = candidates.map(|(rank, start)| Reverse((*rank, start))).collect();
        while let Some(Reverse((rank, start))) = queue.pop() {
            let left = start as usize;
            if ranks[left] != rank {
                continue; // one of the two was merged meanwhile
            }
            let right = ends[left] as usize;
            let end = ends[right];
            (ids[left], ends[left], ranks[right]) = (rank, end, NONE);
            if end < length {
                before[end as usize] = start;
            }
            // The pairs that the new token is in: with the next one, and with the one before.
            let with_next = (end < length).then(|| (left, ends[end as usize]));
            let with_last = (left > 0).then(|| (before[left] as usize, end));
            ranks[left] = NONE;
            for (first, end) in with_next.into_iter().chain(with_last) {
                ranks[first] = self.id(&word[first..end as usize]);
                if ranks[first] != NONE {
                    queue.push(Reverse((ranks[first], first as u32)));
                }
            }
        }
        let mut start = 0;
        while start < word.len() {
            out.push(ids[start]);
            start = ends[start] as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_the_published_ids() {
        let reference = tiktoken_rs::r50k_base().unwrap();
        let words =
            ["a", " the", "antidisestablishmentarianism", "漢字かな交じり文", "=-=-=-==--", "0000000123", "éééé", "🙂🙂🙂"];
        let long = ["a".repeat(700), " ".repeat(1000), "ab".repeat(400), "-".repeat(999), "=".repeat(130), "\n".repeat(77)];
        for word in words.iter().map(ToString::to_string).chain(long) {
            let mut ids = vec![];
            vocabulary().unwrap().encode(word.as_bytes(), &mut ids);
            let wanted: Vec<u16> = reference.encode_ordinary(&word).into_iter().map(|id| id as u16).collect();
            assert_eq!(ids, wanted, "{word}");
        }
    }
}
