//! The one hash by which steps, kernels and cache entries are recognised: SipHash-2-4 with 128 bits (Aumasson and Bernstein
//! 2012), under a fixed key.
//!
//! Two different inputs give the same digest with a probability of about 2⁻¹²⁸, so a digest stands for what it was made of.
//! That holds only where different inputs are different bytes: every piece is written with its kind in front, and a text with
//! its length, so that neither `"ab", "c"` and `"a", "bc"` nor a number and a text of its bytes are the same input.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::fmt;
use std::hash::Hasher;

/// The digest of a sequence of numbers, texts and digests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Digest(u128);

/// Takes a sequence in, piece by piece.
#[derive(Clone)]
pub(crate) struct Digester(SipHasher24);

const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const DIGEST: u8 = 3;

impl Digester {
    /// Begins the digest of a thing of this kind: digests of different kinds differ.
    pub fn new(kind: &str) -> Digester {
        let mut fresh = Digester(SipHasher24::new());
        fresh.text(kind);
        fresh
    }

    /// Takes in a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.write(&[NUMBER]);
        self.0.write(&number.to_le_bytes());
        self
    }

    /// Takes in a sequence of numbers, with its length.
    pub fn numbers(&mut self, numbers: &[usize]) -> &mut Self {
        self.number(numbers.len() as u64);
        numbers.iter().fold(self, |digester, n| digester.number(*n as u64))
    }

    /// Takes in a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.write(&[TEXT]);
        self.0.write(&(text.len() as u64).to_le_bytes());
        self.0.write(text.as_bytes());
        self
    }

    /// Takes in another digest.
    pub fn digest(&mut self, digest: Digest) -> &mut Self {
        self.0.write(&[DIGEST]);
        self.0.write(&digest.0.to_le_bytes());
        self
    }

    /// The digest of everything taken in so far.
    pub fn finish(&self) -> Digest {
        Digest(self.0.finish128().as_u128())
    }
}

impl Digest {
    /// The digest of one text.
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
        // Files in the kernel cache go by it.
        assert_eq!(Digest::of_text("kernel", "x").to_string(), "da56c07b73cd7a0f4df17a2ccc94f3dd");
    }
}
