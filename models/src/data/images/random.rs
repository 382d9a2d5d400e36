//! Random numbers of the data: functions of a seed and of what they are for, never of threads or of what was drawn before.

use ivon_runtime::noise::{Noise, philox};

/// Told apart from the noise of the posterior, of dropout and of texts, which are keyed by the same seed.
const KEY: u32 = 0x1_0A6E5;

/// The purpose of random numbers. Numbers for different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The order of an epoch.
    Order,
    /// Crop and flip of an image.
    Augmentation,
    /// The part of a set that is trained on.
    Subset,
    /// The part of a set that is held out for validation.
    Validation,
    /// Generated images to train on.
    TrainingPicture,
    /// Generated images for validation.
    ValidationPicture,
}

/// A stream of random numbers: Philox words of the counter (block, index, epoch, purpose).
#[derive(Clone, Debug)]
pub struct Draws {
    key: [u32; 2],
    upper: [u32; 3],
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Draws {
    /// The stream of one image (or of a whole epoch, index 0).
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, index: u32) -> Draws {
        let key = [seed as u32 ^ KEY, (seed >> 32) as u32];
        Draws { key, upper: [index, epoch, purpose as u32], block: 0, words: [0; 4], used: 4 }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            let [index, epoch, purpose] = self.upper;
            self.words = philox(self.key, [self.block, index, epoch, purpose]);
            (self.block, self.used) = (self.block.wrapping_add(1), 0);
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform on [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.word()) / 2f64.powi(32)
    }

    /// Uniform on 0..n, for n up to 2³² (the bias is below n / 2⁶⁴).
    pub fn below(&mut self, n: usize) -> usize {
        let uniform = u64::from(self.word()) << 32 | u64::from(self.word());
        ((u128::from(uniform) * n as u128) >> 64) as usize
    }

    /// True half of the time.
    pub fn coin(&mut self) -> bool {
        self.word() >> 31 == 1
    }

    /// Standard normals, independent of the numbers of this stream.
    pub fn normals(&self, out: &mut [f32]) {
        let [index, epoch, purpose] = self.upper;
        // Another key: blocks of its counters would meet those of the uniform numbers.
        Noise { key: [self.key[0] ^ u32::MAX, self.key[1] ^ epoch], upper: [index, purpose] }.fill_normals(0, out);
    }

    /// The numbers 0..n in random order (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_every_number_once_and_all_orders_are_as_likely() {
        let mut counts = [0; 24];
        for epoch in 0..24_000 {
            let order = Draws::new(7, Purpose::Order, epoch, 0).permutation(4);
            let mut sorted = order.clone();
            sorted.sort();
            assert_eq!(sorted, [0, 1, 2, 3]);
            let place = |n: u32| order.iter().position(|x| *x == n).unwrap_or_default();
            let smaller = |n: u32| (0..n).filter(|m| place(*m) < place(n)).count();
            counts[smaller(1) + 2 * smaller(2) + 6 * smaller(3)] += 1;
        }
        // 1000 expected; the deviation of a count is 31.
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
    }

    #[test]
    fn streams_depend_on_every_part_of_their_name() {
        let first = |seed, purpose, epoch, index| Draws::new(seed, purpose, epoch, index).word();
        let base = first(1, Purpose::Order, 0, 0);
        assert_eq!(base, first(1, Purpose::Order, 0, 0));
        for other in [
            first(2, Purpose::Order, 0, 0),
            first(1 << 32 | 1, Purpose::Order, 0, 0),
            first(1, Purpose::Subset, 0, 0),
            first(1, Purpose::Order, 1, 0),
            first(1, Purpose::Order, 0, 1),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn numbers_are_uniform_on_their_range() {
        let mut draws = Draws::new(3, Purpose::Augmentation, 0, 0);
        let mut counts = [0; 5];
        for _ in 0..5000 {
            counts[draws.below(5)] += 1;
            let x = draws.uniform(-2.0, 3.0);
            assert!((-2.0..3.0).contains(&x));
        }
        assert!(counts.iter().all(|c| (880..1120).contains(c)), "{counts:?}");
        let heads = (0..2000).filter(|_| draws.coin()).count();
        assert!((900..1100).contains(&heads), "{heads}");
    }
}
