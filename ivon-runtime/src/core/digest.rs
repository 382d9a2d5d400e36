//! The hash that identifies steps, kernels and cache entries: SipHash-2-4 with 128 bits (Aumasson and Bernstein 2012), under a
//! fixed key.
//!
//! Two different inputs have the same digest with a probability of about 2⁻¹²⁸, so a digest identifies its input. This requires
//! that different inputs are different bytes: every piece is written with its kind in front, and a text with its length. So
//! `"ab", "c"` differs from `"a", "bc"`, and a number differs from a text with the same bytes.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::fmt;
use std::hash::Hasher;

/// The digest of a sequence of numbers, texts and digests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Digest(u128);

/// Hashes a sequence piece by piece.
#[derive(Clone)]
pub(crate) struct Digester(SipHasher24);

const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const DIGEST: u8 = 3;

impl Digester {
    /// Begins a digest of this kind. Digests of different kinds differ.
    pub fn new(kind: &str) -> Digester {
        let mut fresh = Digester(SipHasher24::new());
        fresh.text(kind);
        fresh
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.write(&[NUMBER]);
        self.0.write(&number.to_le_bytes());
        self
    }

    /// Adds a sequence of numbers, with its length.
    pub fn numbers(&mut self, numbers: &[usize]) -> &mut Self {
        self.number(numbers.len() as u64);
        numbers.iter().fold(self, |digester, n| digester.number(*n as u64))
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.write(&[TEXT]);
        self.0.write(&(text.len() as u64).to_le_bytes());
        self.0.write(text.as_bytes());
        self
    }

    /// Adds another digest.
    pub fn digest(&mut self, digest: Digest) -> &mut Self {
        self.0.write(&[DIGEST]);
        self.0.write(&digest.0.to_le_bytes());
        self
    }

    /// Returns the digest of everything added so far.
    pub fn finish(&self) -> Digest {
        Digest(self.0.finish128().as_u128())
    }
}

impl Digest {
    /// Returns the digest of one text.
    #[cfg(any(feature = "cuda", test))]
    pub fn of_text(kind: &str, text: &str) -> Digest {
        Digester::new(kind).text(text).finish()
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_boundary_counts() {
        let of = |take: &dyn Fn(&mut Digester)| {
            let mut digester = Digester::new("test");
            take(&mut digester);
            digester.finish()
        };
        let number = u64::from_le_bytes(*b"12345678");
        let all = [
            of(&|_| {}),
            of(&|d| {
                d.text("");
            }),
            of(&|d| {
                d.text("").text("");
            }),
            of(&|d| {
                d.text("abc");
            }),
            of(&|d| {
                d.text("ab").text("c");
            }),
            of(&|d| {
                d.text("a").text("bc");
            }),
            of(&|d| {
                d.text("12345678");
            }),
            of(&|d| {
                d.number(number);
            }),
            of(&|d| {
                d.numbers(&[number as usize]);
            }),
            of(&|d| {
                d.number(0);
            }),
            of(&|d| {
                d.number(0).number(0);
            }),
            of(&|d| {
                d.number(1);
            }),
            of(&|d| {
                d.number(1 << 63);
            }),
            of(&|d| {
                d.digest(Digest::default());
            }),
            Digester::new("tes").text("t").finish(),
            Digester::new("").finish(),
        ];
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }

    #[test]
    fn it_does_not_change_between_builds() {
        // The names of files in the kernel cache depend on this value.
        assert_eq!(Digest::of_text("kernel", "x").to_string(), "da56c07b73cd7a0f4df17a2ccc94f3dd");
    }
}
