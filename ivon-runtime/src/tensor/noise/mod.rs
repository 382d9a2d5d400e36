//! Noise that is never stored: words of Philox4x32-10, and normals made from them by Box-Muller.
//!
//! # The layout
//!
//! There is one mapping for all devices, thread counts and ways to split the work. Forward passes, backward passes and the update
//! regenerate the same numbers from it.
//!
//! * The **key** is the seed of the run: (low 32 bits, high 32 bits).
//! * The **counter** is (block low, block high, step, sample): block is a 64-bit number, step counts updates from 1, sample
//!   counts the Monte Carlo samples of an update from 0. Step 0 is evaluation: its sample `k` is the posterior sample `k`. Step
//!   2³² - 1 is the start of the means. Ops such as dropout use another key (`Context::stream`).
//! * **Elements** are numbered over all parameters in declaration order, without padding. Element `64 g + 16 w + l`
//!   (w in 0..4, l in 0..16) belongs to word `w` of block `16 g + l`.
//! * **Normals** come in pairs from words (0, 1) and (2, 3) of a block by Box-Muller: with u and v the first and second word of the pair,
//!   the element of the first word is r cos φ, that of the second r sin φ, r = sqrt(-2 ln((u + ½) / 2³²)),
//!   φ = π/2 · (q + s / 2³²), where q is the top two bits of v and s is `v << 2` as a signed integer.
//!
//! # Test vectors
//!
//! | key | counter | words |
//! |---|---|---|
//! | 00000000 00000000 | 00000000 00000000 00000000 00000000 | 6627e8d5 e169c58d bc57ac4c 9b00dbd8 |
//! | ffffffff ffffffff | ffffffff ffffffff ffffffff ffffffff | 408f276d 41c83b0e a20bc7c6 6d5451fd |
//! | a4093822 299f31d0 | 243f6a88 85a308d3 13198a2e 03707344 | d16cfe09 94fdcceb 5001e420 24126ea1 |
//!
//! (the published known answers of Random123), and with seed 1, step 1, sample 0:
//!
//! | element | 0 | 1 | 16 | 32 | 48 | 64 | 1000000 |
//! |---|---|---|---|---|---|---|---|
//! | normal | -0.1650477 | -0.6431315 | 2.6764481 | 0.7548954 | 1.5598536 | -0.8133752 | -0.7400570 |

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod normal;
mod philox;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vectors;

pub use normal::box_muller;
pub use philox::{LANES, philox, philox_16};

use crate::device::cpu::simd::Instructions;
#[cfg(target_arch = "x86_64")]
use crate::device::cpu::simd::Level;
use crate::versions;

/// Elements of a group: the four words of [`LANES`] blocks.
pub const GROUP: usize = 4 * LANES;

/// The step in the counter of posterior samples for evaluation.
pub const EVALUATION: u32 = 0;

/// The step in the counter of the initial means.
pub const INITIAL: u32 = u32::MAX;

/// A stream of random elements: a Philox key and the upper half of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Philox key.
    pub key: [u32; 2],
    /// Upper half of the counter: step and sample.
    pub upper: [u32; 2],
}

impl Noise {
    /// Returns the noise of one Monte Carlo sample. `step` counts from 1, `sample` from 0.
    pub fn of(seed: u64, step: u32, sample: u32) -> Noise {
        Noise { key: [seed as u32, (seed >> 32) as u32], upper: [step, sample] }
    }

    /// Returns the uniform words of elements `64 group .. 64 group + 64`.
    #[inline(always)]
    pub fn words(&self, group: u64) -> [u32; GROUP] {
        let blocks = philox_16(self.key, self.upper, group);
        let mut words = [0; GROUP];
        for (part, block) in words.chunks_exact_mut(LANES).zip(&blocks) {
            part.copy_from_slice(block);
        }
        words
    }

    /// Returns the standard normals of elements `64 group .. 64 group + 64`.
    #[inline(always)]
    pub fn normals(&self, group: u64) -> [f32; GROUP] {
        let w = philox_16(self.key, self.upper, group);
        let mut normals = [0.0; GROUP];
        for pair in 0..2 {
            for l in 0..LANES {
                let (a, b) = box_muller(w[2 * pair][l], w[2 * pair + 1][l]);
                normals[2 * LANES * pair + l] = a;
                normals[2 * LANES * pair + LANES + l] = b;
            }
        }
        normals
    }

    /// Returns the standard normals of two groups. The second group belongs to a stream with the same key. Faster than one group
    /// after the other.
    #[inline(always)]
    pub(crate) fn two<Set: Instructions>(&self, group: u64, other: &Noise, other_group: u64) -> [[f32; GROUP]; 2] {
        debug_assert_eq!(self.key, other.key);
        let (noise, groups) = ([*self, *other], [group, other_group]);
        match Set::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `versions!` compiles code for the level of `Set`, and the code runs only if `level` has found the features
            // of that level.
            Level::Avx512 => unsafe { vectors::normals::<avx512::Zmm, 2>(noise, groups) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { vectors::normals::<avx2::Ymm, 2>(noise, groups) },
            _ => [self.normals(group), other.normals(other_group)],
        }
    }

    /// Writes the uniform words of elements `start .. start + out.len()`. The bits do not depend on how a range is split.
    pub fn fill_words(&self, start: u64, out: &mut [u32]) {
        fill_words(*self, start, out);
    }

    /// Writes the standard normals of elements `start .. start + out.len()`. The bits do not depend on how a range is split.
    pub fn fill_normals(&self, start: u64, out: &mut [f32]) {
        fill_normals(*self, start, out);
    }

    /// Writes uniform numbers on [-bound, bound] for elements `start .. start + out.len()`: bound · (2 (word + ½) / 2³² - 1).
    pub fn fill_uniform(&self, start: u64, bound: f64, out: &mut [f32]) {
        let mut words = [0; GROUP];
        for (i, part) in out.chunks_mut(GROUP).enumerate() {
            self.fill_words(start + (i * GROUP) as u64, &mut words);
            for (x, word) in part.iter_mut().zip(words) {
                *x = (bound * ((word as f64 + 0.5) * (-31f64).exp2() - 1.0)) as f32;
            }
        }
    }
}

/// Calls `visit(group, first lane, range)` for each part of `start .. start + length` that lies in one group of elements.
#[inline(always)]
pub(crate) fn for_groups(start: u64, length: usize, mut visit: impl FnMut(u64, usize, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < length {
        let element = start + done as u64;
        let lane = (element % GROUP as u64) as usize;
        let count = (GROUP - lane).min(length - done);
        visit(element / GROUP as u64, lane, done..done + count);
        done += count;
    }
}

versions! {
    fn fill_words(noise: Noise, start: u64, out: &mut [u32]) {
        for_groups(start, out.len(), #[inline(always)] |group, lane, range| {
            let count = range.len();
            out[range].copy_from_slice(&noise.words(group)[lane..lane + count]);
        });
    }
}

versions! {
    fn fill_normals(noise: Noise, start: u64, out: &mut [f32]) {
        // Two groups at a time. Elements before the first whole group and after the last are copied from a single group.
        let head = (start.next_multiple_of(GROUP as u64) - start).min(out.len() as u64) as usize;
        let (head, rest) = out.split_at_mut(head);
        let group = start / GROUP as u64;
        head.copy_from_slice(&noise.normals(group)[start as usize % GROUP..][..head.len()]);
        let group = start.div_ceil(GROUP as u64);
        for (i, out) in rest.chunks_mut(2 * GROUP).enumerate() {
            let group = group + 2 * i as u64;
            out.copy_from_slice(&noise.two::<Set>(group, &noise, group + 1).as_flattened()[..out.len()]);
        }
    }
}
