//! The key of a planned step.

/// A name, and a number for what decides beside the shapes of its inputs what a step allocates: dimensions and settings of the model, numbers
/// that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepKey {
    name: &'static str,
    fingerprint: u64,
}

impl StepKey {
    /// The same with one more number.
    pub fn and(self, number: u64) -> StepKey {
        // The finaliser of SplitMix64 (Steele, Lea and Flood 2014) mixes every bit of both into the result.
        let mut z = self.fingerprint.rotate_left(5) ^ number;
        z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        StepKey { fingerprint: z ^ (z >> 31), ..self }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl From<&'static str> for StepKey {
    /// The key of a step whose allocations depend on the shapes of its inputs alone.
    fn from(name: &'static str) -> Self {
        StepKey { name, fingerprint: 0 }
    }
}
