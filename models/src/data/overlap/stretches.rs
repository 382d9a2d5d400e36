//! Stretches of one text that are also in another one, found by a rolling hash.

use super::content;
use crate::data::Input;
use std::collections::HashMap;

/// The bytes of a stretch.
pub const LENGTH: usize = 256;

/// The stretches of a file that are looked for, spread over it evenly.
const STRETCHES: usize = 64;

/// A stretch of fewer different bytes, such as a line of dashes, may be in any text.
const DIFFERENT: usize = 12;

/// Texts of more bytes in all are not looked through: it would delay the start of a run.
const MOST: usize = 1 << 28;

/// A file of which stretches are in another one.
pub struct Shared {
    pub part: String,
    pub whole: String,
    /// True if `part` is for validation and `whole` is trained on, false if it is the other way around.
    pub of_validation: bool,
    /// The number of stretches that were found, and of those looked for.
    pub found: usize,
    pub of: usize,
}

/// The files that share stretches with one of the other side.
pub fn shared(training: &[Input], validation: &[Input]) -> Vec<Shared> {
    let bytes: usize = training.iter().chain(validation).map(|input| content(input).len()).sum();
    if bytes > MOST {
        return vec![];
    }
    let mut all = search(validation, training, true);
    // A pair of files that is known from the validation side is not reported again from the other one.
    let known = all.len();
    for shared in search(training, validation, false) {
        if !all[..known].iter().any(|s| s.whole == shared.part && s.part == shared.whole) || shared.found == shared.of {
            all.push(shared);
        }
    }
    // Files that are found whole come first: they are refused.
    all.sort_by_key(|shared| shared.found < shared.of);
    all
}

/// Looks for stretches of `parts` in `wholes`.
fn search(parts: &[Input], wholes: &[Input], of_validation: bool) -> Vec<Shared> {
    let mut wanted: HashMap<u64, Vec<(usize, &[u8])>> = HashMap::new();
    let mut counts = vec![0; parts.len()];
    for (i, part) in parts.iter().enumerate() {
        for stretch in stretches(content(part)) {
            wanted.entry(hash(stretch)).or_default().push((i, stretch));
            counts[i] += 1;
        }
    }
    let mut all = vec![];
    for whole in wholes {
        let mut found = vec![0; parts.len()];
        let mut left = wanted.clone();
        each_window(content(whole), |hash, window| {
            if let Some(stretches) = left.get_mut(&hash) {
                stretches.retain(|(i, stretch)| {
                    let equal = *stretch == window;
                    found[*i] += usize::from(equal);
                    !equal
                });
            }
        });
        for (i, found) in found.into_iter().enumerate().filter(|(_, found)| *found > 0) {
            all.push(Shared { part: parts[i].origin(), whole: whole.origin(), of_validation, found, of: counts[i] });
        }
    }
    all
}

/// Different stretches of a text, spread over it evenly.
fn stretches(bytes: &[u8]) -> Vec<&[u8]> {
    let Some(last) = bytes.len().checked_sub(LENGTH) else { return vec![] };
    let count = STRETCHES.min(bytes.len() / LENGTH);
    let at = |i: usize| if count == 1 { 0 } else { (last as u128 * i as u128 / (count - 1) as u128) as usize };
    let mut all: Vec<&[u8]> = (0..count).map(|i| &bytes[at(i)..][..LENGTH]).filter(|stretch| is_telling(stretch)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn is_telling(stretch: &[u8]) -> bool {
    let mut seen = [false; 256];
    stretch.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= DIFFERENT
}

/// An odd factor without a pattern in its bits (Knuth's MMIX generator).
const FACTOR: u64 = 6_364_136_223_846_793_005;

fn hash(window: &[u8]) -> u64 {
    window.iter().fold(0, |hash, byte| push(hash, *byte))
}

fn push(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(FACTOR).wrapping_add(u64::from(byte) + 1)
}

/// Calls `see` with every window of [`LENGTH`] bytes and its hash.
fn each_window(bytes: &[u8], mut see: impl FnMut(u64, &[u8])) {
    let Some(first) = bytes.get(..LENGTH) else { return };
    let oldest = FACTOR.wrapping_pow(LENGTH as u32);
    let mut hash = hash(first);
    see(hash, first);
    for start in 1..=bytes.len() - LENGTH {
        let gone = u64::from(bytes[start - 1]) + 1;
        hash = push(hash, bytes[start + LENGTH - 1]).wrapping_sub(gone.wrapping_mul(oldest));
        see(hash, &bytes[start..start + LENGTH]);
    }
}
